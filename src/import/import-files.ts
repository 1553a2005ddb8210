import type { DatabaseHandle } from '../db/connect.js';
import { uuidv4 } from '../lib/uuid.js';
import type { PermissionRules } from '../nouns/purchase-permissions/service.js';
import { importFile } from './import-file.js';
import { isCustomer } from './queries.js';
import type { Source } from './read-export.js';
import { type FileReport, newReport } from './report.js';
import { customerOf, ImportError, inOrder, partnerOf, survey } from './survey.js';

export interface ImportOptions {
  rules: PermissionRules;
  /** Tenant id of the partner. Default: that of the organization profile among the files, else the only one. */
  partnerId?: string;
  /** Tenant id of the customer of resources that name none. Default: the only customer among the files. */
  customerId?: string;
  /** Called every 10 000 rows of a file. */
  onProgress?: (file: string, rows: number) => void;
  /** Called when a file is done. */
  onFile?: (report: FileReport) => void;
}

export interface ImportReport {
  /** In the order in which they were imported. */
  files: FileReport[];
  /** Rows refused in all files. */
  refused: number;
}

/**
 * Imports exports of Partner Center, Azure Resource Manager, Graph and retail prices for one partner. Each file is imported
 * whole or not at all; they may come in any order. Rows are added and updated; nothing that an export does not name is removed, but
 * for members of a group. A second run changes and logs nothing.
 * @throws ImportError when it is not clear for which partner
 */
export async function importFiles(
  db: DatabaseHandle,
  sources: readonly Source[],
  options: ImportOptions,
): Promise<ImportReport> {
  const files = [];
  for (const source of sources) files.push(await survey(source));
  const partnerIds = await db.listPartnerIds();
  const partnerId = partnerOf(files, options.partnerId, partnerIds);
  const customerId = customerOf(files, options.customerId);
  const customerIsNamed = options.customerId !== undefined;
  if (
    !partnerIds.includes(partnerId) &&
    (await db.readTenant(partnerId, (reading) => isCustomer(reading, partnerId)))
  ) {
    throw new ImportError(`The tenant ${partnerId} is a customer here, so it cannot be a partner.`);
  }

  const reports: FileReport[] = [];
  const correlationId = uuidv4();
  for (const { source, kind, fault } of inOrder(files)) {
    let report = newReport(source.name, kind);
    if (kind === undefined) {
      const reason = fault?.reason ?? 'It holds nothing that can be imported.';
      report.refused.push({ index: fault?.index ?? 0, pointer: '', reason });
    } else {
      report = await importFile({
        db,
        source,
        kind,
        context: { partnerId, customerId, customerIsNamed, partnerIds: new Set(partnerIds) },
        rules: options.rules,
        correlationId,
        onProgress: (rows) => options.onProgress?.(source.name, rows),
      });
    }
    options.onFile?.(report);
    reports.push(report);
  }
  return { files: reports, refused: reports.reduce((sum, { refused }) => sum + refused.length, 0) };
}
