import t from 'tap';
import { citusUrl } from '../helpers/citus.js';
import { keepRows } from '../helpers/kept-rows.js';
import { startService } from '../helpers/service.js';
import { leaksOf } from './canaries.js';
import { callersOf, createTenantCheck, listOperations, makeWorlds, type Send } from './tenant-check.js';
import { ENTRIES } from './tenant-operations.js';
import { absentIds, compose, differenceOf, unusedEntries } from './tenant-requests.js';

t.setTimeout(citusUrl === undefined ? 120_000 : 600_000);
const operations = await listOperations();
const service = await startService(t, { sandbox: 'true', webhookAllowPrivateTargets: 'true' });
const worlds = await makeWorlds(service);
const { heron, canary } = worlds;
const kept = await keepRows(t, service);

const send: Send = async ({ method, url, body, headers }, token, requestId) => {
  const answer = await service.app.inject({
    method: method as 'GET',
    url,
    headers: {
      ...headers,
      authorization: `Bearer ${token}`,
      ...(requestId !== undefined && { 'ms-requestid': requestId }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    ...(body !== undefined && { payload: JSON.stringify(body) }),
  });
  return { status: answer.statusCode, headers: answer.headers, text: answer.payload };
};
const { check, prints } = await createTenantCheck(service, worlds, kept, send);
/** The other roles are tried by `npm run proof -- tenants`. */
const callers = callersOf(worlds, service.tokens).filter(({ name }) => /^(other )?AdminAgent$|^Owner$/.test(name));

t.test('every operation of openapi.json has an entry, every entry an operation, every id a place', async (t) => {
  const names = operations.map(({ operation }) => operation.operationId);
  t.same(
    names.filter((name) => !Object.hasOwn(ENTRIES, name)),
    [],
    'operations without an entry',
  );
  t.same(
    Object.keys(ENTRIES).filter((name) => !names.includes(name)),
    [],
    'entries without an operation',
  );
  t.same(
    operations.flatMap((one) => unusedEntries(one, heron.ids)),
    [],
    'parameters that no entry fills',
  );
});

let compared = 0;

for (const route of operations) {
  const name = route.operation.operationId;
  if (!Object.hasOwn(ENTRIES, name)) continue;
  t.test(`${name}: foreign is as absent`, async (t) => {
    const findings = await check(route, callers);
    compared += findings.compared;
    t.same([...findings.faults, ...findings.leaks, ...findings.differences], []);
  });
}

t.test('a difference and a leak are found', async (t) => {
  const route = operations.find(({ operation }) => operation.operationId === 'getOrder');
  if (!route) throw new Error('there is no getOrder');
  const foreign = compose(route, heron.ids, { ids: canary.ids, place: undefined });
  const absent = absentIds(canary);
  const nothing = compose(route, heron.ids, { ids: absent, place: undefined });
  const refusal = (id: string, more = {}) => ({ status: 404, headers: {}, text: `no ${id}`, ...more });
  const shown = refusal(canary.ids.order);
  t.equal(differenceOf(shown, foreign, refusal(absent.order), nothing), undefined);
  t.match(differenceOf(shown, foreign, refusal(absent.order, { status: 403 }), nothing), /instead of 403/);
  t.match(differenceOf(shown, foreign, refusal(absent.order, { text: 'no order' }), nothing), /instead of/);
  t.match(differenceOf(shown, foreign, refusal(absent.order, { headers: { etag: '1' } }), nothing), /etag/);

  const needles = prints.get(heron)?.get(canary);
  if (!needles) throw new Error('nothing is known of the other partner');
  t.same(leaksOf(shown, needles, foreign), [], 'what was asked for may be said again');
  for (const text of [canary.ids.cart, 'Canary Customer', '"amount":731.37', 'user@canary.onmicrosoft.com']) {
    t.equal(leaksOf(refusal(text), needles, foreign).length, 1, text);
  }
});

t.test('enough was compared', async (t) => {
  t.comment(`${compared} pairs of a foreign and an absent thing`);
  t.ok(compared > operations.length * 5);
});
