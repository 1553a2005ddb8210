import { setTimeout } from 'node:timers/promises';
import type { HarnessDatabase } from '../harness/database.js';
import { openIssuer, sharedDataDir } from '../harness/service.js';
import { connect } from '../src/db/connect.js';
import { findCustomerUser } from '../src/nouns/identity/customer-users.js';
import {
  createTenantCheck,
  makeWorlds,
  type Send,
  type TenantCheck,
  type Worlds,
} from '../test/contract/tenant-check.js';
import type { Maker } from '../test/contract/tenant-world.js';
import { keepRows } from '../test/helpers/kept-rows.js';
import { createRequest, insertPartners, makeCustomer, makePrice, makeTokens } from '../test/helpers/service.js';
import { createCleanup } from './cleanup.js';
import { send as sendPatiently } from './client.js';
import type { Proof } from './suite.js';

/** What the service's deliveries write by themselves. */
const IN_THE_BACKGROUND = ['webhook_events', 'webhook_keys'];
const DELIVERED_WITHIN_MS = 20_000;

export interface TenantSetting extends TenantCheck {
  maker: Maker;
  worlds: Worlds;
  send: Send;
  close(): Promise<void>;
}

/** Until the service has tried to deliver each event: how that failed is told of all in the same words, and is nobody's secret. */
async function untilTried({ sql }: HarnessDatabase): Promise<void> {
  const waiting = async () => {
    const [row] = await sql<{ n: number }>('select count(*)::int as n from webhook_events where attempts = 0');
    return row?.n ?? 0;
  };
  const deadline = performance.now() + DELIVERED_WITHIN_MS;
  while ((await waiting()) > 0) {
    if (performance.now() > deadline) throw new Error('events are not delivered');
    await setTimeout(100);
  }
}

/** The service with three tenants that have one of everything. */
export async function openWorlds(proof: Proof, database: HarnessDatabase, cli: string): Promise<TenantSetting> {
  const cleanup = createCleanup();
  const { sql } = database;
  await insertPartners(sql);
  const service = await proof.serve(database, { SANDBOX: 'true', WEBHOOK_ALLOW_PRIVATE_TARGETS: 'true' }, cli);
  cleanup.teardown(() => service.stop());
  const db = connect({ url: database.appUrl, poolMax: 4, preparedStatements: true, onIdleError: () => {} });
  cleanup.teardown(() => db.close());
  const issuer = await openIssuer(sharedDataDir(proof.workDir));
  const tokens = await makeTokens({
    ...issuer,
    findCustomerUser: (tenantId, upn) => findCustomerUser(db, tenantId, upn),
  });
  const maker: Maker = {
    sql,
    db,
    tokens,
    request: createRequest(service.url, tokens.admin),
    newCustomer: (options) => makeCustomer(sql, options),
    newPrice: (options) => makePrice(sql, options),
  };
  const worlds = await makeWorlds(maker);
  await untilTried(database);
  const kept = await keepRows(cleanup, { urls: { superuser: database.superuserUrl } }, IN_THE_BACKGROUND);
  const send: Send = async ({ method, url, body, headers }, token, requestId) => {
    const answer = await sendPatiently(service.url, {
      method,
      path: url,
      token,
      body,
      headers: { ...headers, ...(requestId !== undefined && { 'ms-requestid': requestId }) },
    });
    return { status: answer.status, headers: Object.fromEntries(answer.headers), text: answer.text };
  };
  return { ...(await createTenantCheck(maker, worlds, kept, send)), maker, worlds, send, close: cleanup.run };
}
