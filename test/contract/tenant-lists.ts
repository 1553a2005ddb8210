import type { Service } from '../helpers/service.js';
import { listOperations, type Send } from './tenant-check.js';
import { compose, headersToCompare, type Route, type Shown } from './tenant-requests.js';
import type { World } from './tenant-world.js';

const TOKEN_NAMES = ['MS-ContinuationToken', '$skipToken', '$skiptoken'];
const tokenOf = ({ operation }: Route) =>
  operation.parameters?.map(({ name }) => name).find((name) => TOKEN_NAMES.includes(name));

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

/** What was found on all lists. */
export interface TokenFindings {
  /** Lists that gave out a token to both partners. */
  lists: string[];
  /** Tokens of another partner or of another list that were tried. */
  tried: number;
  /** Of those, the ones that were not answered as a token that was made up. */
  differences: string[];
  /** Lists that refuse their own token, or take one that was made up. */
  faults: string[];
}

/** Tries the tokens of every list on every list, by one partner. */
export async function tryTokens(
  { tokens, sql }: Pick<Service, 'tokens' | 'sql'>,
  { heron, canary }: { heron: World; canary: World },
  send: Send,
): Promise<TokenFindings> {
  const paged = (await listOperations()).filter((route) => tokenOf(route) !== undefined);
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

  async function get(route: Route, world: World, more: Readonly<Record<string, string>> = {}): Promise<Shown> {
    const admin = world === heron ? tokens.admin : tokens.fabrikamAdmin;
    const token = compose(route, world.ids).as === 'owner' ? world.ownerToken : admin;
    const url = listOf(route, world, more);
    const { status, headers, text } = await send({ method: 'GET', url, headers: {}, as: 'admin', replaced: [] }, token);
    return { status, headers: headersToCompare(headers), text };
  }

  async function harvest(world: World): Promise<Map<string, string>> {
    const found = new Map<string, string>();
    for (const route of paged) {
      const { status, text } = await get(route, world);
      if (status !== 200) throw new Error(`${route.operation.operationId}: ${status} ${text}`);
      const { continuationToken, nextLink } = JSON.parse(text);
      const token =
        continuationToken ?? (nextLink && new URL(nextLink).searchParams.get(tokenOf(route) ?? '')) ?? undefined;
      if (token !== undefined) found.set(route.operation.operationId, token);
    }
    return found;
  }

  const mine = await harvest(heron);
  const theirs = await harvest(canary);
  const lists = [...mine.keys()].filter((id) => theirs.has(id));
  const findings: TokenFindings = { lists, tried: 0, differences: [], faults: [] };
  for (const route of paged) {
    const name = tokenOf(route) ?? '';
    const id = route.operation.operationId;
    const next = (token: string) =>
      get(route, heron, { [name]: token, ...(name === 'MS-ContinuationToken' && { seekOperation: 'Next' }) });
    const madeUp = await next(Buffer.alloc(80, 7).toString('base64url'));
    if (madeUp.status !== 400) findings.faults.push(`${id} answers ${madeUp.status} to a token that was made up`);
    const own = mine.get(id);
    if (own !== undefined && (await next(own)).status !== 200) findings.faults.push(`${id} refuses its own token`);
    for (const [list, token] of [...theirs, ...[...mine].filter(([other]) => other !== id)]) {
      const shown = await next(token);
      findings.tried++;
      if (JSON.stringify(shown) === JSON.stringify(madeUp)) continue;
      findings.differences.push(`${id} answers the token of ${list}: ${shown.status} ${shown.text}`);
    }
  }
  return findings;
}
