import pg from 'pg';
import { deriveKey } from '../lib/seal.js';
import type { EmbeddedServer } from './embedded.js';

const DATABASE = 'customer_permissions';

/** Makes database and logins in the embedded server, whose superuser nobody else uses. */
export async function prepareEmbedded(
  server: EmbeddedServer,
  secret: Buffer,
): Promise<{ ownerUrl: string; appUrl: string }> {
  const ownerPassword = deriveKey(secret, 'owner login').toString('base64url');
  const appPassword = deriveKey(secret, 'application login').toString('base64url');
  const client = new pg.Client({ connectionString: server.superuserUrl });
  await client.connect();
  try {
    const has = async (text: string, name: string) => ((await client.query(text, [name])).rowCount ?? 0) > 0;
    if (!(await has('select from pg_roles where rolname = $1', 'cp_owner'))) {
      await client.query(`create role cp_owner login createrole password ${pg.escapeLiteral(ownerPassword)}`);
    }
    if (!(await has('select from pg_database where datname = $1', DATABASE))) {
      await client.query(`create database ${DATABASE} owner cp_owner`);
    }
  } finally {
    await client.end();
  }
  return {
    ownerUrl: server.urlFor(DATABASE, 'cp_owner', ownerPassword),
    appUrl: server.urlFor(DATABASE, 'cp_app', appPassword),
  };
}
