import { randomBytes, randomInt, randomUUID } from 'node:crypto';
import type { IdName, Ids } from './tenant-names.js';
import { ENTRIES, type Entry } from './tenant-operations.js';
import { PATH, PLAIN_PATH, PLAIN_QUERY } from './tenant-parameters.js';
import type { World } from './tenant-world.js';
import type { Operation } from './wire.js';

export interface Route {
  path: string;
  method: string;
  operation: Operation;
}

export interface Sent {
  method: string;
  url: string;
  body?: unknown;
  headers: Readonly<Record<string, string>>;
  as: 'owner' | 'admin';
  /** What was put in place of own ids, under its name. */
  replaced: readonly { name: IdName; value: string }[];
}

export interface Shown {
  status: number;
  headers: Readonly<Record<string, number | string | string[] | undefined>>;
  text: string;
}

const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/gi;

function entryOf({ operation }: Route): Entry {
  const entry = ENTRIES[operation.operationId];
  if (!entry) throw new Error(`${operation.operationId} has no entry`);
  return entry;
}

/** Ids that tell which of them were read, in order, and are others at one place or at all. */
function watched(own: Ids, other: { ids: Ids; place: number | undefined } | undefined) {
  const read: IdName[] = [];
  const replaced: { name: IdName; value: string }[] = [];
  const ids = new Proxy(own, {
    get(target, property) {
      const name = property as IdName;
      const place = read.push(name) - 1;
      if (!other || (other.place !== undefined && other.place !== place)) return target[name];
      const value = other.ids[name];
      replaced.push({ name, value });
      return value;
    },
  });
  return { ids, read, replaced };
}

function fill({ path, method, operation }: Route, entry: Entry, ids: Ids): Omit<Sent, 'replaced'> {
  const naming = entry(ids);
  const filled = path.replace(/\{([^}]+)\}/g, (_all, name: string) => {
    const known = PATH[name];
    const value = naming.path?.[name] ?? (known ? ids[known] : PLAIN_PATH[name]);
    if (value === undefined) throw new Error(`${operation.operationId}: what is {${name}}?`);
    return encodeURIComponent(value);
  });
  const query = new URLSearchParams(naming.query);
  if (operation.parameters?.some(({ name }) => name === 'api-version')) query.set('api-version', '2022-11-01');
  const { body, headers = {}, as = 'admin' } = naming;
  return {
    method,
    url: query.size === 0 ? filled : `${filled}?${query}`,
    headers,
    as,
    ...(body !== undefined && { body }),
  };
}

/** The request of an operation, on the own things or with others at one place or at all. */
export function compose(route: Route, own: Ids, other?: { ids: Ids; place: number | undefined }): Sent {
  const { ids, replaced } = watched(own, other);
  return { ...fill(route, entryOf(route), ids), replaced };
}

/** The ids that the request of an operation takes, by place. */
export function namedIn(route: Route, own: Ids): readonly IdName[] {
  if (entryOf(route)(own).nothingNamed) return [];
  const { ids, read } = watched(own, undefined);
  fill(route, entryOf(route), ids);
  return read;
}

/** Parameters of the operation that may name something, and that its entry does not fill. */
export function unusedEntries(route: Route, own: Ids): string[] {
  const { operation } = route;
  const entry = ENTRIES[operation.operationId];
  if (!entry) return [];
  const naming = entry(own);
  return (operation.parameters ?? []).flatMap(({ name, in: where }) => {
    const filled =
      where === 'path'
        ? name in PATH || name in PLAIN_PATH || naming.path?.[name] !== undefined
        : where !== 'query' || PLAIN_QUERY.has(name) || naming.query?.[name] !== undefined;
    return filled ? [] : [`${operation.operationId} ${where} ${name}`];
  });
}

const letters = (length: number) =>
  Array.from(randomBytes(length), (byte) => String.fromCharCode(97 + (byte % 26))).join('');

/** Ids of the same form and length as those of the world, that name nothing. */
export function absentIds({ ids, word }: World): Ids {
  const none = `zq${letters(word.length - 2)}`;
  const uuids = new Map<string, string>();
  const absent = (name: string, value: string): string => {
    if (name === 'sku') return `Q${randomInt(10)}Z${randomInt(10)}`;
    if (name === 'availability') return `DZH318Z${letters(5).toUpperCase()}`;
    if (name === 'subscriptionTag') {
      return Buffer.from(absent('', Buffer.from(value, 'base64').toString())).toString('base64');
    }
    return value
      .replace(UUID, (uuid) => {
        const other = uuids.get(uuid) ?? randomUUID();
        uuids.set(uuid, other);
        return other;
      })
      .replaceAll(word, none)
      .replaceAll(word.toUpperCase(), none.toUpperCase());
  };
  return Object.fromEntries(Object.entries(ids).map(([name, value]) => [name, absent(name, value)])) as Ids;
}

/** Puts names in place of what the request named, so that answers to two requests can be compared. */
function masked(text: string, { replaced }: Sent): string {
  const parts = replaced.flatMap(({ name, value }) => [
    { name, value },
    ...[...value.matchAll(UUID)].map(([uuid], index) => ({ name: `${name} ${index}`, value: uuid })),
  ]);
  let result = text.toLowerCase();
  for (const { value } of parts.sort((a, b) => b.value.length - a.value.length)) {
    const lower = value.toLowerCase();
    result = result.replaceAll(lower, '{id}').replaceAll(encodeURIComponent(value).toLowerCase(), '{id}');
  }
  return result;
}

const OF_ITS_OWN = ['date', 'ms-requestid', 'ms-correlationid', 'x-ms-request-id', 'x-ms-correlation-request-id'];

/** The headers of an answer that two requests for the same have in common. */
export function headersToCompare(headers: Shown['headers']): Shown['headers'] {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !OF_ITS_OWN.includes(name)));
}

/** A success makes ids and dates; a refusal has to be the same without this. */
function settled(text: string, status: number): string {
  if (status >= 300) return text;
  return text.replace(UUID, '{uuid}').replace(/\d{4}-\d\d-\d\dt[\d:.]+z/g, '{time}');
}

/** How the answers to a foreign and to an absent thing differ; undefined when they do not. */
export function differenceOf(foreign: Shown, sent: Sent, absent: Shown, sentAbsent: Sent): string | undefined {
  const [one, other] = [
    [foreign, sent],
    [absent, sentAbsent],
  ].map(([answer, request]) => {
    const { status, headers, text } = answer as Shown;
    const shown = `${JSON.stringify(headersToCompare(headers))} ${text}`;
    return `${status} ${settled(masked(shown, request as Sent), status)}`;
  });
  return one === other ? undefined : `${one}\n  instead of ${other}`;
}
