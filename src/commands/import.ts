import { pino } from 'pino';
import { importFiles } from '../import/import-files.js';
import { fileSource } from '../import/read-export.js';
import type { FileReport } from '../import/report.js';
import { ImportError } from '../import/survey.js';
import { isUuid } from '../lib/uuid.js';
import { loadSecret, openDatabase } from '../server.js';
import { type Command, EXIT, type Output, UsageError } from './command.js';

function tenantOf(value: string | boolean | undefined, flag: string): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'string' || !isUuid(value)) throw new UsageError(`--${flag} is the id of a tenant, a GUID.`);
  return value;
}

function print(report: FileReport, stdout: Output, stderr: Output): void {
  const { file, kind, rows, created, changed, unchanged, ignored, refused, notes } = report;
  for (const { index, pointer, reason } of refused)
    stderr.write(`${file}: row ${index}, ${pointer || '/'}: ${reason}\n`);
  for (const note of notes) stderr.write(`${file}: ${note}\n`);
  const counts =
    refused.length > 0
      ? `${rows} rows, ${refused.length} refused: nothing of this file was imported`
      : `${rows} rows: ${created} created, ${changed} changed, ${unchanged} unchanged, ${ignored} ignored`;
  stdout.write(`${file} (${kind ?? 'unknown'}): ${counts}\n`);
  for (const { customerId, resource, effective } of report.eligibilityChanges) {
    stdout.write(`${file}: ${resource} of customer ${customerId} ${effective ? 'takes effect again' : 'lapsed'}\n`);
  }
}

export const importCommand: Command = {
  summary: 'Imports exports of Partner Center, Azure Resource Manager, Graph and the Azure Retail Prices API.',
  usage: 'FILE... [--partner TENANT] [--customer TENANT]',
  flags: {
    partner: { type: 'string', description: 'Tenant id of the partner. Default: the only one.' },
    customer: { type: 'string', description: 'Tenant id of the customer of resources that name none.' },
  },
  positionals: [1, Number.POSITIVE_INFINITY],
  withoutTokens: true,
  async run({ config, flags, positionals, stdout, stderr }) {
    const partnerId = tenantOf(flags.partner, 'partner');
    const customerId = tenantOf(flags.customer, 'customer');
    const database = await openDatabase(config, await loadSecret(config), pino({ level: 'silent' }));
    try {
      const { refused } = await importFiles(database.db, positionals.map(fileSource), {
        rules: { purchaserRoles: config.purchaserRoles },
        ...(partnerId !== undefined && { partnerId }),
        ...(customerId !== undefined && { customerId }),
        onProgress: (file, rows) => stderr.write(`${file}: ${rows} rows read\n`),
        onFile: (report) => print(report, stdout, stderr),
      });
      return refused > 0 ? EXIT.negative : EXIT.done;
    } catch (error) {
      if (error instanceof ImportError) throw new UsageError(error.message);
      throw error;
    } finally {
      await database.close();
    }
  },
};
