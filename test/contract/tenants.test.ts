import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import t from 'tap';
import { keepRows } from '../helpers/kept-rows.js';
import { CONTOSO, FABRIKAM, startService } from '../helpers/service.js';
import { fingerprints, leaksOf, type Needles } from './canaries.js';
import { ENTRIES, REFUSED_ON_OWN } from './tenant-operations.js';
import { absentIds, compose, differenceOf, namedIn, type Sent, type Shown, unusedEntries } from './tenant-requests.js';
import { type Ids, makeWorld, type World } from './tenant-world.js';
import type { Document } from './wire.js';

t.setTimeout(120_000);
const file = new URL('../../../openapi/openapi.json', import.meta.url);
const document: Document = JSON.parse(await readFile(file, 'utf8'));
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
);

const service = await startService(t, { sandbox: 'true', webhookAllowPrivateTargets: 'true' });
const { tokens } = service;
const heron = await makeWorld(service, { partnerId: CONTOSO, word: 'heron', price: '601' });
/** A second customer of contoso: foreign to the users of the first. */
const merlin = await makeWorld(service, { partnerId: CONTOSO, word: 'merlin', price: '823', partnerIds: heron });
const canary = await makeWorld(service, { partnerId: FABRIKAM, word: 'canary', price: '731' });
const kept = await keepRows(t, service);

interface Caller {
  name: string;
  token: string;
  home: World;
  away: readonly World[];
}
const ofPartner = { home: heron, away: [canary] };
const ofCustomer = { home: heron, away: [canary, merlin] };
const admin: Caller = { name: 'AdminAgent', token: tokens.admin, ...ofPartner };
const owner: Caller = { name: 'Owner', token: heron.ownerToken, ...ofCustomer };
const other: Caller = { name: 'other AdminAgent', token: tokens.fabrikamAdmin, home: canary, away: [heron] };
const callers: readonly Caller[] = [
  admin,
  { name: 'SalesAgent', token: tokens.sales, ...ofPartner },
  { name: 'HelpDeskAgent', token: tokens.helpdesk, ...ofPartner },
  { name: 'application', token: tokens.appOnly, ...ofPartner },
  owner,
  { name: 'user without a role', token: heron.userToken, ...ofCustomer },
  other,
];

const prints = new Map<World, ReadonlyMap<World, Needles>>();
for (const home of [heron, canary]) prints.set(home, await fingerprints(kept, home, [heron, merlin, canary]));

async function send({ method, url, body, headers }: Sent, token: string, requestId?: string): Promise<Shown> {
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
}

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

for (const one of operations) {
  const { method, operation } = one;
  const name = operation.operationId;
  const reads = method === 'GET' || method === 'HEAD';
  if (!Object.hasOwn(ENTRIES, name)) continue;
  t.test(`${name}: foreign is as absent`, async (t) => {
    const faults: string[] = [];
    /** Takes back what a success did, once it is clear that it was not done to somebody else. */
    const undo = async (caller: Caller, { status }: Shown) => {
      if (reads || status >= 300) return;
      const elsewhere = (await kept.restore()).filter((change) => !change.startsWith(caller.home.partnerId));
      if (elsewhere.length > 0) faults.push(`${caller.name} changed ${elsewhere.join(', ')}`);
    };
    const checkLeaks = (caller: Caller, away: World, sent: Sent, answer: Shown, what: string) => {
      const needles = prints.get(caller.home)?.get(away);
      if (!needles) throw new Error(`nothing is known of ${away.word}`);
      for (const leak of leaksOf(answer, needles, sent)) {
        faults.push(`${caller.name}, ${what}: the answer (${answer.status}) shows ${leak} of ${away.word}`);
      }
    };

    const own = compose(one, canary.ids);
    const requestId = randomUUID();
    const theirs = await send(own, own.as === 'owner' ? canary.ownerToken : tokens.fabrikamAdmin, requestId);
    await undo(other, theirs);
    const mine = compose(one, heron.ids);
    const first = await send(mine, mine.as === 'owner' ? owner.token : admin.token, requestId);
    await undo(admin, first);
    const expected = REFUSED_ON_OWN[name];
    if (expected === undefined ? first.status >= 300 : first.status !== expected) {
      faults.push(`on the own things: ${first.status} ${first.text}`);
    }
    if (first.status !== theirs.status) faults.push(`the other partner on its own: ${theirs.status} ${theirs.text}`);
    if (first.headers['ms-replayed'] !== undefined) faults.push("it was answered with another partner's answer");
    // From here on the id is one that only the other partner has used.
    if (!reads) await service.sql('delete from request_ledger where partner_id = $1', [CONTOSO]);

    async function compare(caller: Caller, away: World, absent: Ids, place: number | undefined): Promise<void> {
      const foreign = compose(one, caller.home.ids, { ids: away.ids, place });
      const nothing = compose(one, caller.home.ids, { ids: absent, place });
      const used = caller === admin && place === undefined ? requestId : undefined;
      const shown = await send(foreign, caller.token, used);
      await undo(caller, shown);
      const hidden = await send(nothing, caller.token);
      await undo(caller, hidden);
      compared++;
      const what = place === undefined ? 'all' : `${foreign.replaced[0]?.name} (${place})`;
      checkLeaks(caller, away, foreign, shown, what);
      const difference = differenceOf(shown, foreign, hidden, nothing);
      if (difference) faults.push(`${caller.name}, ${what} of ${away.word}: ${difference}`);
    }

    async function check(caller: Caller): Promise<void> {
      const request = compose(one, caller.home.ids);
      const answer = await send(request, caller.token);
      await undo(caller, answer);
      for (const away of caller.away) checkLeaks(caller, away, request, answer, 'own');
      const named = namedIn(one, caller.home.ids);
      const refused = answer.status === 401 || answer.status === 403;
      for (const away of caller.away) {
        const differs = named.flatMap((id, place) => (away.ids[id] === caller.home.ids[id] ? [] : [place]));
        if (differs.length === 0) continue;
        const single = refused || named.length === 1 ? [] : differs;
        // The certificates of all partners are public: what belongs together is found.
        const places = operation.security?.length === 0 ? single : [undefined, ...single];
        const absent = absentIds(away);
        if (reads) await Promise.all(places.map((place) => compare(caller, away, absent, place)));
        else for (const place of places) await compare(caller, away, absent, place);
      }
    }

    if (reads) await Promise.all(callers.map(check));
    else for (const caller of callers) await check(caller);
    if (!reads) t.same(await kept.restore(), [], 'refusals left no trace');
    t.same(faults, []);
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
