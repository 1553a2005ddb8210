import type { Selectable } from 'kysely';
import type { Static, TObject } from 'typebox';
import { Compile } from 'typebox/compile';
import type { Reading } from '../db/connect.js';
import type { Database } from '../db/tables.js';
import { compileFolder } from '../http/casing.js';
import type { NewEntry } from '../nouns/activity-log/append.js';
import type { ImportTable } from './columns.js';

/** A resource cannot be imported. */
export class RowRefused extends Error {
  /** @param pointer within the resource */
  constructor(
    readonly pointer: string,
    readonly reason: string,
  ) {
    super(reason);
  }
}

export interface Context {
  partnerId: string;
  /** Country of the partner: taken for a customer whose export has no address. */
  country: string | null;
  /** The customer of resources that name none. */
  customerId: string | undefined;
  /** The customer was named by the caller, not found out. */
  customerIsNamed: boolean;
  now: Date;
  /** Tenants that are partners here. */
  partnerIds: ReadonlySet<string>;
}

/** What a resource says about whose it is; the first that leads somewhere wins. */
export interface Where {
  customerId?: string | undefined;
  /** Partner Center subscription. */
  planId?: string | undefined;
  azureSubscriptionId?: string | undefined;
  /** Perhaps a customer: a management group can be named for its tenant. */
  tenantId?: string | undefined;
  /** What belongs to no known customer is of no interest, instead of refused. */
  optional?: true;
}

/** What a resource says, checked. */
export interface Draft {
  /** Names the row within the file. */
  key: string;
  /** Absent: the resource is the partner's own, or a customer. */
  where?: Where;
}

export interface Located<D extends Draft = Draft> {
  draft: D;
  /** Empty where the draft has no `where`. */
  customerId: string;
}

export type Row<T extends ImportTable> = Selectable<Database[T]>;

export interface RowWrite {
  table: ImportTable;
  row: Readonly<Record<string, unknown>>;
}

/** In `touches`: every customer of the partner. */
export const EVERY_CUSTOMER = '*';

/** What one resource changes. */
export interface Change {
  created: boolean;
  /** Customers that are locked and decided upon again. */
  touches: readonly string[];
  upserts: readonly RowWrite[];
  deletes: readonly RowWrite[];
  /** Each in the log of `customerId`. */
  entries: readonly { customerId: string; entry: NewEntry }[];
}

/** Aligned with the rows it was made for; undefined: nothing changes. */
export type Plan = readonly (Change | RowRefused | undefined)[];

export interface Kind<D extends Draft = Draft> {
  /** The draft of a resource; undefined: it says nothing that is kept here. @throws RowRefused */
  read(resource: object, context: Context): D | undefined;
  /** What the rows change, given what is there now. */
  plan(db: Reading, context: Context, rows: readonly Located<D>[]): Promise<Plan>;
}

/** A kind whose resources are checked against a schema; property names and enum values come in any letter case. */
export function defineKind<S extends TObject, D extends Draft>(
  schema: S,
  read: (wire: Static<S>, context: Context) => D | undefined,
  plan: (db: Reading, context: Context, rows: readonly Located<D>[]) => Promise<Plan>,
): Kind {
  const fold = compileFolder(schema, { unknown: 'drop', resolve: () => undefined });
  const validator = Compile(schema);
  const kind: Kind<D> = {
    read(resource, context) {
      const inner = (resource as { properties?: unknown }).properties;
      const hasEnvelope = typeof inner === 'object' && inner !== null;
      const wire = fold(hasEnvelope ? { ...resource, ...inner } : resource);
      if (!validator.Check(wire)) {
        const error = validator.Errors(wire)[0];
        const path = error?.instancePath ?? '';
        const inEnvelope = hasEnvelope && Object.hasOwn(inner, path.split('/')[1] ?? '');
        throw new RowRefused(`${inEnvelope ? '/properties' : ''}${path}`, `It ${error?.message ?? 'is not valid'}.`);
      }
      return read(wire as Static<S>, context);
    },
    plan,
  };
  return kind as unknown as Kind;
}
