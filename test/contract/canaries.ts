import type { KeptRows } from '../helpers/kept-rows.js';
import type { Sent, Shown } from './tenant-requests.js';
import type { World } from './tenant-world.js';

/** Too short to tell, or the same for anybody: a moment. */
const NOTHING = /^.{0,4}$|^\d{4}-\d\d-\d\d/s;

function leavesOf(value: unknown): string[] {
  if (value === null || typeof value === 'boolean') return [];
  if (typeof value === 'object') return Object.values(value).flatMap(leavesOf);
  const text = String(value);
  return NOTHING.test(text) ? [] : [text.toLowerCase()];
}

/** What is in the rows of each other world and in none of `home`: its ids, names, domains and amounts, in lower case. */
export async function fingerprints(
  kept: KeptRows,
  home: World,
  worlds: readonly World[],
): Promise<ReadonlyMap<World, Needles>> {
  const leavesWhere = async (condition: string) => new Set((await kept.values(condition)).flatMap(leavesOf));
  const own = await leavesWhere(`r.partner_id = '${home.partnerId}'`);
  const found = new Map<World, Needles>();
  for (const world of worlds) {
    if (world === home) continue;
    const neighbour = world.partnerId === home.partnerId;
    const rows = neighbour
      ? `to_jsonb(r) ->> 'customer_id' = '${world.ids.customer}'`
      : `r.partner_id = '${world.partnerId}'`;
    const theirs = [...(await leavesWhere(rows))];
    const unknown = neighbour
      ? new Set([...(await leavesWhere(`to_jsonb(r) ->> 'customer_id' is distinct from '${world.ids.customer}'`))])
      : own;
    const needles = theirs.filter((leaf) => !unknown.has(leaf));
    found.set(world, {
      ids: new Set(needles.filter((leaf) => IS_UUID.test(leaf))),
      texts: [
        world.word,
        ...needles.filter((leaf) => !leaf.includes(world.word) && !IS_UUID.test(leaf) && !IS_NUMBER.test(leaf)),
      ],
      numbers: needles
        .filter((leaf) => IS_NUMBER.test(leaf))
        .map((leaf) => new RegExp(`(?<![\\w.])${leaf.replace('.', '\\.')}(?!\\w)`)),
    });
  }
  return found;
}

const IN_TEXT = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g;
const IS_NUMBER = /^[\d.]+$/;
const IS_UUID = new RegExp(`^${IN_TEXT.source}$`);

/** What is looked for in answers: ids by look-up, the rest by search, numbers as whole ones. */
export interface Needles {
  ids: ReadonlySet<string>;
  texts: readonly string[];
  numbers: readonly RegExp[];
}

/** Which of the needles an answer shows, without what the request itself named. */
export function leaksOf({ headers, text }: Shown, needles: Needles, { replaced, url }: Sent): string[] {
  let shown = `${JSON.stringify(headers)} ${text}`.toLowerCase();
  for (const { value } of replaced) {
    const lower = value.toLowerCase();
    for (const part of [lower, encodeURIComponent(lower), ...lower.split(/[^0-9a-z-]/)]) {
      if (part.length > 4) shown = shown.replaceAll(part, '');
    }
  }
  const ids = (shown.match(IN_TEXT) ?? []).filter((id) => needles.ids.has(id));
  const rest = shown.replace(IN_TEXT, '');
  const texts = needles.texts.filter((needle) => rest.includes(needle));
  const numbers = needles.numbers.filter((needle) => needle.test(rest)).map(String);
  return [...ids, ...texts, ...numbers].map((needle) => `${needle} (${url})`);
}
