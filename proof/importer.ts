import { CONTOSO } from '../harness/data.js';
import { importOf } from './altered-build.js';

type Connect = typeof import('../src/db/connect.js');
type Import = typeof import('../src/import/import-file.js');
type KindName = import('../src/import/recognize.js').KindName;

/** What the command `import` does with a file, again and again in one process. */
export interface Importer {
  /** Imports an export of one resource. @throws when it was refused */
  take(kind: KindName, resource: object): Promise<void>;
  close(): Promise<void>;
}

/** @param cli of the program whose import it is */
export async function openImporter(cli: string, databaseUrl: string): Promise<Importer> {
  const { connect } = await importOf<Connect>(cli, 'db/connect.js');
  const { importFile } = await importOf<Import>(cli, 'import/import-file.js');
  const db = connect({
    url: databaseUrl,
    poolMax: 8,
    waitMilliseconds: 20_000,
    preparedStatements: true,
    onIdleError: () => {},
  });
  return {
    take: async (kind, resource) => {
      const source = {
        name: 'export',
        async *open() {
          yield Buffer.from(JSON.stringify(resource));
        },
      };
      const report = await importFile({
        db,
        source,
        kind,
        context: { partnerId: CONTOSO, partnerIds: new Set([CONTOSO]), customerId: undefined, customerIsNamed: false },
        rules: { purchaserRoles: ['owner'] },
        correlationId: crypto.randomUUID(),
        onProgress: () => {},
      });
      if (report.created + report.changed !== 1) throw new Error(`an import was refused: ${JSON.stringify(report)}`);
    },
    close: () => db.close(),
  };
}
