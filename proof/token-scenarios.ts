import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout } from 'node:timers/promises';
import { PROBE } from '../harness/service.js';
import { PARTNER, type TestIssuer } from '../test/helpers/tokens.js';

/** An answer later than this counts as none. */
const PATIENCE_MS = 4000;
const AT_ONCE = 50;

export interface TokenAnswer {
  status: number;
  retryAfter: string | null;
  milliseconds: number;
}

/** Status 0: there was no answer in time. */
export async function present(url: string, token: string): Promise<TokenAnswer> {
  const begin = performance.now();
  const milliseconds = () => performance.now() - begin;
  try {
    const answer = await fetch(`${url}${PROBE}`, {
      headers: { authorization: `Bearer ${token}` },
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    await answer.arrayBuffer();
    return { status: answer.status, retryAfter: answer.headers.get('retry-after'), milliseconds: milliseconds() };
  } catch {
    return { status: 0, retryAfter: null, milliseconds: milliseconds() };
  }
}

export const createKeyOfNobody = () =>
  crypto.subtle.generateKey(
    { name: 'RSASSA-PKCS1-v1_5', modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]), hash: 'SHA-256' },
    false,
    ['sign'],
  );

/** How many of the tokens, by their names, are answered with the status. */
export async function countAnswers(
  url: string,
  tokens: readonly (readonly [string, string])[],
  status: number,
): Promise<number> {
  let count = 0;
  for (let from = 0; from < tokens.length; from += AT_ONCE) {
    const some = tokens.slice(from, from + AT_ONCE);
    const answers = await Promise.all(some.map(([, token]) => present(url, token)));
    count += answers.filter((answer) => answer.status === status).length;
  }
  return count;
}

export type KeyServerFault = NonNullable<TestIssuer['answer']>;

/** What a key server can do instead of answering. `trap` is an address that must not be asked. */
export function keyServerFaults(trap: string): Readonly<Record<string, KeyServerFault>> {
  const redirect = (location: string) => (_request: IncomingMessage, response: ServerResponse) =>
    void response.writeHead(302, { location }).end();
  return {
    down: (request) => void request.socket.destroy(),
    silent: () => {},
    broken: (_request, response) => void response.writeHead(500).end(),
    huge: (_request, response) => void response.end(`{"keys":[],"x":"${'x'.repeat(5_000_000)}"}`),
    half: (_request, response) => void response.write('{"keys":'),
    trapped: redirect(trap),
    linklocal: redirect('http://169.254.169.254/latest/meta-data/'),
  };
}

/** An issuer with a name and a key server of its own. */
export interface NamedIssuer {
  /** What its key server does instead of answering. */
  fault: KeyServerFault | undefined;
  /** A token like no other one before. */
  sign(header?: Record<string, unknown>): Promise<string>;
  rotate(): Promise<void>;
  /** As TOKEN_ISSUERS has it. */
  setting: string;
}

/** Issuers that share keys, and the socket that their key servers listen on. */
export function nameIssuers(keys: TestIssuer, names: readonly string[]): NamedIssuer[] {
  const byPath = new Map<string | undefined, NamedIssuer>();
  keys.answer = (request, response) => {
    const fault = byPath.get(request.url)?.fault;
    if (fault) fault(request, response);
    else response.end(JSON.stringify({ keys: [keys.publicJwk] }));
  };
  return names.map((name) => {
    const host = `https://${name}.example`;
    const path = `/${name}/keys`;
    const made: NamedIssuer = {
      fault: undefined,
      sign: (header = {}) => keys.sign({ header, claims: { iss: `${host}/${PARTNER}/`, jti: crypto.randomUUID() } }),
      rotate: () => keys.rotate(),
      setting: `${host}/{tenantid}/ ${new URL(path, keys.rules.issuers[0]?.jwksUri)}`,
    };
    byPath.set(path, made);
    return made;
  });
}

export interface Rotation {
  /** From the new key to the first token of it that is accepted; undefined: none was. */
  milliseconds: number | undefined;
  /** Whether tokens of the key that is gone are refused, the one that was accepted before too. */
  oldRefused: boolean;
}

/** @param limit milliseconds after which it is given up */
export async function rotate(url: string, { rotate: exchange, sign }: NamedIssuer, limit: number): Promise<Rotation> {
  const [accepted, unused] = [await sign(), await sign()];
  if ((await present(url, accepted)).status !== 200) throw new Error('a good token was refused before the rotation');
  await exchange();
  const fresh = await sign();
  const begin = performance.now();
  while ((await present(url, fresh)).status !== 200) {
    if (performance.now() - begin > limit) return { milliseconds: undefined, oldRefused: false };
    await setTimeout(50);
  }
  const milliseconds = performance.now() - begin;
  const old = await Promise.all([present(url, accepted), present(url, unused)]);
  return { milliseconds, oldRefused: old.every(({ status }) => status === 401) };
}
