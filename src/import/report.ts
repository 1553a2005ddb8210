import type { PermissionResource } from '../db/tables.js';
import type { KindName } from './recognize.js';

/** Why a resource, or a file, was not imported. */
export interface Refusal {
  /** Place in the file's array, from 0. */
  index: number;
  /** JSON pointer into the file. */
  pointer: string;
  reason: string;
}

export interface EligibilityLine {
  partnerId: string;
  customerId: string;
  resource: PermissionResource;
  effective: boolean;
}

export interface FileReport {
  file: string;
  kind: KindName | undefined;
  /** Resources read. */
  rows: number;
  created: number;
  changed: number;
  unchanged: number;
  /** Resources that say nothing that is kept here. */
  ignored: number;
  /** Any: nothing of the file was written. */
  refused: Refusal[];
  /** Sentences for the reader. */
  notes: string[];
  /** Permissions that are on and lapsed, or took effect again, by this file. */
  eligibilityChanges: EligibilityLine[];
}

export function newReport(file: string, kind: KindName | undefined): FileReport {
  const counts = { rows: 0, created: 0, changed: 0, unchanged: 0, ignored: 0 };
  return { file, kind, ...counts, refused: [], notes: [], eligibilityChanges: [] };
}
