import { readFile } from 'node:fs/promises';
import t from 'tap';
import { CONTOSO, FABRIKAM, startService } from '../helpers/service.js';
import { compose, headersToCompare, type Route, type Shown } from './tenant-requests.js';
import { makeWorld, type World } from './tenant-world.js';
import type { Document } from './wire.js';

t.setTimeout(120_000);
const file = new URL('../../../openapi/openapi.json', import.meta.url);
const document: Document = JSON.parse(await readFile(file, 'utf8'));
const TOKEN_NAMES = ['MS-ContinuationToken', '$skipToken', '$skiptoken'];
const tokenOf = ({ operation }: Route) =>
  operation.parameters?.map(({ name }) => name).find((name) => TOKEN_NAMES.includes(name));
const paged: Route[] = Object.entries(document.paths)
  .flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
  )
  .filter((route) => tokenOf(route) !== undefined);

const service = await startService(t, { webhookAllowPrivateTargets: 'true' });
const { tokens, sql } = service;
const heron = await makeWorld(service, { partnerId: CONTOSO, word: 'heron', price: '601' });
const canary = await makeWorld(service, { partnerId: FABRIKAM, word: 'canary', price: '731' });
for (const { ids } of [heron, canary]) {
  // More than a page of what has no size parameter.
  await sql(
    `insert into role_assignments
       select partner_id, customer_id, gen_random_uuid(), scope, scope_key, scope_level, azure_subscription_id,
         gen_random_uuid(), principal_id, principal_type, assignment_state, null, null, null, null, created_on,
         updated_on, null, null
       from role_assignments, generate_series(1, 201) where customer_id = $1 and role_assignment_id = $2`,
    [ids.customer, ids.assignment],
  );
}

/** Pages of one where that can be asked for; the filters of the entries would leave one row. */
function listOf(route: Route, world: World, more: Readonly<Record<string, string>>): string {
  const url = new URL(compose(route, world.ids).url, 'http://localhost');
  for (const name of [
    'filter',
    'entity_id',
    '$filter',
    'actor',
    ...[...url.searchParams.keys()].filter((key) => /\.filter\./.test(key)),
  ]) {
    url.searchParams.delete(name);
  }
  const size = route.operation.parameters?.find(({ name }) => /(^|\.)size$/.test(name))?.name;
  for (const [name, value] of Object.entries({ ...(size && { [size]: '1' }), ...more }))
    url.searchParams.set(name, value);
  return `${url.pathname}${url.search}`;
}

async function get(route: Route, world: World, more: Readonly<Record<string, string>> = {}): Promise<Shown> {
  const admin = world === heron ? tokens.admin : tokens.fabrikamAdmin;
  const token = compose(route, world.ids).as === 'owner' ? world.ownerToken : admin;
  const headers = { authorization: `Bearer ${token}` };
  const answer = await service.app.inject({ method: 'GET', url: listOf(route, world, more), headers });
  return { status: answer.statusCode, headers: headersToCompare(answer.headers), text: answer.payload };
}

async function firstToken(route: Route, world: World): Promise<string | undefined> {
  const { status, text } = await get(route, world);
  if (status !== 200) throw new Error(`${route.operation.operationId}: ${status} ${text}`);
  const { continuationToken, nextLink } = JSON.parse(text);
  if (continuationToken !== undefined) return continuationToken;
  return nextLink === undefined ? undefined : (new URL(nextLink).searchParams.get(tokenOf(route) ?? '') ?? undefined);
}

async function harvest(world: World): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const route of paged) {
    const token = await firstToken(route, world);
    if (token !== undefined) found.set(route.operation.operationId, token);
  }
  return found;
}

const mine = await harvest(heron);
const theirs = await harvest(canary);

t.test('a continuation token of another partner, or of another list, is as one that was made up', async (t) => {
  t.comment(`tokens of ${[...mine.keys()].join(', ')}`);
  t.ok(mine.size >= 7);
  t.same([...theirs.keys()], [...mine.keys()]);
  for (const route of paged) {
    const name = tokenOf(route) ?? '';
    const id = route.operation.operationId;
    const next = (token: string) =>
      get(route, heron, { [name]: token, ...(name === 'MS-ContinuationToken' && { seekOperation: 'Next' }) });
    const madeUp = await next(Buffer.alloc(80, 7).toString('base64url'));
    t.equal(madeUp.status, 400, id);
    const own = mine.get(id);
    if (own !== undefined) t.equal((await next(own)).status, 200, `${id} goes on with its own`);
    const others = [...mine].filter(([list]) => list !== id);
    const differing = [];
    for (const [list, token] of [...theirs, ...others]) {
      const shown = await next(token);
      if (JSON.stringify(shown) !== JSON.stringify(madeUp)) differing.push(`${list}: ${shown.status} ${shown.text}`);
    }
    t.same(differing, [], `${id}: all others are refused alike`);
  }
});
