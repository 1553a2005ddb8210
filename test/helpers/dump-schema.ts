import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { readSchema } from '../../harness/schema.js';
import { removeCluster } from './cluster.js';
import { createTestDatabase } from './database.js';

const FILE = fileURLToPath(new URL('../../../migrations/schema.sql', import.meta.url));

const database = await createTestDatabase({ teardown: () => {} });
try {
  const client = new pg.Client({ connectionString: database.superuserUrl });
  await client.connect();
  const schema = await readSchema(client).finally(() => client.end());
  await writeFile(FILE, schema);
} finally {
  await database.drop();
  await removeCluster();
}
