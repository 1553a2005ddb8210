import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Registry } from 'prom-client';
import { startDeliveries } from '../../src/deliveries.js';
import { createEvents } from '../../src/events.js';
import { loadDemo } from '../../src/import/demo.js';
import { createLog } from '../../src/log.js';
import { verifyLog } from '../../src/nouns/activity-log/verify.js';
import { startWatch } from '../../src/watch.js';
import { REFUSED_ON_OWN } from '../contract/tenant-operations.js';
import { compose } from '../contract/tenant-requests.js';
import type { World } from '../contract/tenant-world.js';
import type { Document } from '../contract/wire.js';
import type { TestScope } from './database.js';
import { keepRows } from './kept-rows.js';
import { CONTOSO, type Service } from './service.js';

const demo = fileURLToPath(new URL('../../../demo/', import.meta.url));
const rules = { purchaserRoles: ['owner' as const] };

/**
 * Everything that the service does in the database, done once: an import, each operation of openapi.json on the world's
 * own things, the watch, deliveries, verify-log. What it changes is taken back.
 * @param look called with the name of what was done, before it is taken back
 * @returns operations by whether they were answered as they are on own things, and those whose answer says since when it is old
 */
export async function doEverything(
  t: TestScope,
  service: Service,
  world: World,
  look: (name: string) => Promise<void> = async () => {},
): Promise<{ done: string[]; failed: string[]; old: string[] }> {
  const done: string[] = [];
  const old: string[] = [];
  const failed: string[] = [];
  await service.sql('update partners set mpn_id = null');
  await loadDemo(service.db, demo, rules, () => {});
  await look('import');
  const kept = await keepRows(t, service);
  const document: Document = JSON.parse(
    await readFile(new URL('../../../openapi/openapi.json', import.meta.url), 'utf8'),
  );
  for (const [path, methods] of Object.entries(document.paths)) {
    for (const [name, operation] of Object.entries(methods)) {
      const method = name.toUpperCase();
      const { url, body, headers, as } = compose({ path, method, operation }, world.ids);
      const { statusCode, headers: answered } = await service.app.inject({
        method: method as 'GET',
        url,
        headers: {
          ...headers,
          authorization: `Bearer ${as === 'owner' ? world.ownerToken : service.tokens.admin}`,
          ...(body !== undefined && { 'content-type': 'application/json' }),
        },
        ...(body !== undefined && { payload: JSON.stringify(body) }),
      });
      if (answered['ms-asof'] !== undefined) old.push(operation.operationId);
      const expected = REFUSED_ON_OWN[operation.operationId];
      const isDone = expected === undefined ? statusCode < 300 : statusCode === expected;
      (isDone ? done : failed).push(isDone ? operation.operationId : `${operation.operationId}: ${statusCode}`);
      await look(operation.operationId);
      if (method !== 'GET') await kept.restore();
    }
  }
  const log = createLog('silent');
  const often = { db: service.db, events: createEvents(new Registry(), log), log, now: () => new Date() };
  const watch = startWatch({ ...often, rules, everyMilliseconds: 3_600_000 });
  await watch.runOnce();
  await watch.stop();
  await look('watch');
  const deliveries = startDeliveries({
    ...often,
    sealKey: Buffer.alloc(32, 7),
    origin: service.url,
    targets: { allowPrivate: true },
    everyMilliseconds: 3_600_000,
  });
  await deliveries.runOnce();
  await deliveries.stop();
  await look('deliveries');
  await verifyLog(service.db, CONTOSO, undefined, () => {});
  await kept.restore();
  return { done, failed, old };
}
