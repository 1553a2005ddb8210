import pg from 'pg';
import type { Test } from 'tap';
import { connect } from '../../src/db/connect.js';
import { openapiDocument } from '../../src/openapi-document.js';
import { openClient, openIssuer, type ServiceClient } from '../helpers/service-client.js';

/** A service that runs elsewhere, with the partners contoso and fabrikam; the rows are then sent to it. */
export interface Target {
  url: string;
  /** Of another one on the same database, which takes {@link LIMITED_REQUESTS}; absent where no row needs it. */
  limitedUrl: string | undefined;
  appUrl: string;
  superuserUrl: string;
  /** Has the keys of its issuer. */
  dataDir: string;
}

/** Of a partner and minute. */
export const LIMITED_REQUESTS = 5;
export const TARGET_VARIABLE = 'CONTRACT_TARGET';
const given = process.env[TARGET_VARIABLE];
export const target: Target | undefined = given === undefined ? undefined : JSON.parse(given);

export async function openTarget(
  t: Pick<Test, 'teardown'>,
  { appUrl, superuserUrl, dataDir }: Target,
  url: string | undefined,
): Promise<ServiceClient> {
  if (url === undefined) throw new Error('there is no such service');
  const superuser = new pg.Pool({ connectionString: superuserUrl, max: 2 });
  const db = connect({ url: appUrl, poolMax: 2, preparedStatements: true, onIdleError: () => {} });
  t.teardown(async () => {
    await db.close();
    await superuser.end();
  });
  const document = await openapiDocument();
  return openClient({
    url,
    db,
    sql: async (text, values) => (await superuser.query(text, values)).rows,
    identity: await openIssuer(db, dataDir),
    document: () => document,
  });
}
