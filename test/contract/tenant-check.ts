import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { KeptRows } from '../helpers/kept-rows.js';
import { CONTOSO, FABRIKAM, type Service } from '../helpers/service.js';
import { fingerprints, leaksOf, type Needles } from './canaries.js';
import type { Ids } from './tenant-names.js';
import { REFUSED_ON_OWN } from './tenant-operations.js';
import { absentIds, compose, differenceOf, namedIn, type Route, type Sent, type Shown } from './tenant-requests.js';
import { type Maker, makeWorld, type World } from './tenant-world.js';
import type { Document } from './wire.js';

export interface Worlds {
  heron: World;
  /** A second customer of contoso: foreign to the users of the first. */
  merlin: World;
  canary: World;
}

export async function makeWorlds(maker: Maker): Promise<Worlds> {
  const heron = await makeWorld(maker, { partnerId: CONTOSO, word: 'heron', price: '601' });
  const merlin = await makeWorld(maker, { partnerId: CONTOSO, word: 'merlin', price: '823', partnerIds: heron });
  const canary = await makeWorld(maker, { partnerId: FABRIKAM, word: 'canary', price: '731' });
  return { heron, merlin, canary };
}

/** Every operation of openapi.json. */
export async function listOperations(): Promise<Route[]> {
  const file = new URL('../../../openapi/openapi.json', import.meta.url);
  const document: Document = JSON.parse(await readFile(file, 'utf8'));
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
  );
}

export interface Caller {
  name: string;
  token: string;
  home: World;
  away: readonly World[];
}

export function callersOf({ heron, merlin, canary }: Worlds, tokens: Service['tokens']): readonly Caller[] {
  const ofPartner = { home: heron, away: [canary] };
  const ofCustomer = { home: heron, away: [canary, merlin] };
  return [
    { name: 'AdminAgent', token: tokens.admin, ...ofPartner },
    { name: 'SalesAgent', token: tokens.sales, ...ofPartner },
    { name: 'HelpDeskAgent', token: tokens.helpdesk, ...ofPartner },
    { name: 'application', token: tokens.appOnly, ...ofPartner },
    { name: 'Owner', token: heron.ownerToken, ...ofCustomer },
    { name: 'user without a role', token: heron.userToken, ...ofCustomer },
    { name: 'other AdminAgent', token: tokens.fabrikamAdmin, home: canary, away: [heron] },
  ];
}

export type Send = (request: Sent, token: string, requestId?: string) => Promise<Shown>;

/** What was found on one operation. */
export interface Findings {
  /** Pairs of a foreign and an absent thing. */
  compared: number;
  /** Requests that were answered. */
  asked: number;
  /** Pairs that were not answered alike. */
  differences: string[];
  /** Answers that show something of another tenant, and requests that changed something of one. */
  leaks: string[];
  /** What the operation does on the caller's own things. */
  faults: string[];
}

export interface TenantCheck {
  prints: ReadonlyMap<World, ReadonlyMap<World, Needles>>;
  /** @param callers who ask; default: everybody */
  check(route: Route, callers?: readonly Caller[]): Promise<Findings>;
}

/** Tries operations on own, foreign and absent things. */
export async function createTenantCheck(
  { tokens, sql }: Pick<Service, 'tokens' | 'sql'>,
  worlds: Worlds,
  kept: KeptRows,
  send: Send,
): Promise<TenantCheck> {
  const { heron, merlin, canary } = worlds;
  const everybody = callersOf(worlds, tokens);
  const prints = new Map<World, ReadonlyMap<World, Needles>>();
  for (const home of [heron, canary]) prints.set(home, await fingerprints(kept, home, [heron, merlin, canary]));

  async function check(route: Route, callers = everybody): Promise<Findings> {
    const { method, operation } = route;
    const reads = method === 'GET' || method === 'HEAD';
    const findings: Findings = { compared: 0, asked: 0, differences: [], leaks: [], faults: [] };
    const { differences, leaks, faults } = findings;
    const ask = (request: Sent, token: string, requestId?: string) => {
      findings.asked++;
      return send(request, token, requestId);
    };
    /** Takes back what a success did, once it is clear that it was not done to somebody else. */
    const undo = async (home: World, name: string, { status }: Shown) => {
      if (reads || status >= 300) return;
      const elsewhere = (await kept.restore()).filter((change) => !change.startsWith(home.partnerId));
      if (elsewhere.length > 0) leaks.push(`${name} changed ${elsewhere.join(', ')}`);
    };
    const checkLeaks = (caller: Caller, away: World, sent: Sent, answer: Shown, what: string) => {
      const needles = prints.get(caller.home)?.get(away);
      if (!needles) throw new Error(`nothing is known of ${away.word}`);
      const shown = leaksOf(answer, needles, sent).join(', ');
      if (shown === '') return;
      leaks.push(`${caller.name}, ${what}: the answer (${answer.status}) shows ${shown} of ${away.word}`);
    };

    const own = compose(route, canary.ids);
    const requestId = randomUUID();
    const theirs = await ask(own, own.as === 'owner' ? canary.ownerToken : tokens.fabrikamAdmin, requestId);
    await undo(canary, 'other AdminAgent', theirs);
    const mine = compose(route, heron.ids);
    const first = await ask(mine, mine.as === 'owner' ? heron.ownerToken : tokens.admin, requestId);
    await undo(heron, 'AdminAgent', first);
    const expected = REFUSED_ON_OWN[operation.operationId];
    if (expected === undefined ? first.status >= 300 : first.status !== expected) {
      faults.push(`on the own things: ${first.status} ${first.text}`);
    }
    if (first.status !== theirs.status) faults.push(`the other partner on its own: ${theirs.status} ${theirs.text}`);
    if (first.headers['ms-replayed'] !== undefined) leaks.push("it was answered with another partner's answer");
    // From here on the id is one that only the other partner has used.
    if (!reads) await sql('delete from request_ledger where partner_id = $1', [CONTOSO]);

    async function compare(caller: Caller, away: World, absent: Ids, place: number | undefined): Promise<void> {
      const foreign = compose(route, caller.home.ids, { ids: away.ids, place });
      const nothing = compose(route, caller.home.ids, { ids: absent, place });
      const used = caller.token === tokens.admin && place === undefined ? requestId : undefined;
      const shown = await ask(foreign, caller.token, used);
      await undo(caller.home, caller.name, shown);
      const hidden = await ask(nothing, caller.token);
      await undo(caller.home, caller.name, hidden);
      findings.compared++;
      const what = place === undefined ? 'all' : `${foreign.replaced[0]?.name} (${place})`;
      checkLeaks(caller, away, foreign, shown, what);
      const difference = differenceOf(shown, foreign, hidden, nothing);
      if (difference) differences.push(`${caller.name}, ${what} of ${away.word}: ${difference}`);
    }

    async function checkOf(caller: Caller): Promise<void> {
      const request = compose(route, caller.home.ids);
      const answer = await ask(request, caller.token);
      await undo(caller.home, caller.name, answer);
      for (const away of caller.away) checkLeaks(caller, away, request, answer, 'own');
      const named = namedIn(route, caller.home.ids);
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

    if (reads) await Promise.all(callers.map(checkOf));
    else for (const caller of callers) await checkOf(caller);
    if (!reads) {
      const left = await kept.restore();
      if (left.length > 0) leaks.push(`refusals left ${left.join(', ')}`);
    }
    return findings;
  }
  return { prints, check };
}
