import type { LookupAddress } from 'node:dns';
import { Resolver, lookup as systemLookup } from 'node:dns/promises';
import { isIP, type LookupFunction } from 'node:net';
import { ApiError } from '../../errors/api-error.js';
import { isPublicAddress } from '../../lib/public-address.js';

export interface TargetRules {
  /** Private, loopback and reserved addresses, and plain http. */
  allowPrivate: boolean;
  /** All addresses of a host name. Default: those of the DNS; with `allowPrivate` those that the system knows. */
  resolve?: (hostname: string) => Promise<LookupAddress[]>;
}

/** Below the 5 seconds of a request. */
const RESOLVE_MILLISECONDS = 2000;
/** Of a DNS server; the second time it gets twice as long. */
const ANSWER_MILLISECONDS = 1000;
/** RFC 6761 6.3: the DNS is not asked. */
const LOCALHOST = /(^|\.)localhost\.?$/i;

const resolveBySystem = (hostname: string) => systemLookup(hostname, { all: true });

/**
 * Asks the DNS itself. The system's way has two threads of the process, which the look-ups of the database and of key
 * servers wait for as well: names that nobody answers for would hold them for as long as the system tries.
 * @param servers default: the system's, as they are now
 */
export async function resolveByDns(hostname: string, servers?: readonly string[]): Promise<LookupAddress[]> {
  if (LOCALHOST.test(hostname)) return [{ address: '127.0.0.1', family: 4 }];
  const resolver = new Resolver({ timeout: ANSWER_MILLISECONDS, tries: 2 });
  if (servers) resolver.setServers(servers);
  const [four, six] = await Promise.allSettled([resolver.resolve4(hostname), resolver.resolve6(hostname)]);
  const addresses = [
    ...(four.status === 'fulfilled' ? four.value.map((address) => ({ address, family: 4 })) : []),
    ...(six.status === 'fulfilled' ? six.value.map((address) => ({ address, family: 6 })) : []),
  ];
  if (addresses.length === 0 && four.status === 'rejected') throw four.reason;
  return addresses;
}

/** What is not on the internet may have its name from elsewhere than the DNS. */
const resolverOf = ({ resolve, allowPrivate }: TargetRules) =>
  resolve ?? (allowPrivate ? resolveBySystem : resolveByDns);

/** The host of an address as sockets take it: without the brackets of IPv6. */
export function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '');
}

function refuse(reason: string): ApiError {
  return new ApiError('WebhookTargetRefused', { description: `Events cannot be sent to this WebhookUrl: ${reason}` });
}

const NOT_PUBLIC = 'its host is not, or not only, on the public internet. Name one that is.';

async function resolveInTime(hostname: string, rules: TargetRules): Promise<LookupAddress[]> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error('no answer in time')), RESOLVE_MILLISECONDS);
  });
  try {
    return await Promise.race([resolverOf(rules)(hostname), late]);
  } catch (cause) {
    throw new ApiError('WebhookTargetRefused', {
      description: 'Events cannot be sent to this WebhookUrl: the name of its host does not resolve. Correct it.',
      cause,
    });
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Whether a registration may name the address. What its name stands for later is judged again when it is connected to.
 * @throws ApiError WebhookTargetRefused
 */
export async function checkTarget(text: string, rules: TargetRules): Promise<void> {
  // The URL parser takes tabs and line ends out without a word.
  const url = /[\p{Cc}\s]/u.test(text) || !URL.canParse(text) ? undefined : new URL(text);
  const scheme = rules.allowPrivate ? /^https?:\/\//i : /^https:\/\//i;
  if (!url || !scheme.test(text)) throw refuse('it is no address that starts with https://.');
  if (url.username !== '' || url.password !== '') throw refuse('it holds credentials. Leave them out.');
  if (text.includes('#')) throw refuse('it has a fragment. Leave it out.');
  if (rules.allowPrivate) return;
  const host = hostOf(url);
  const addresses = isIP(host) ? [host] : (await resolveInTime(host, rules)).map(({ address }) => address);
  if (!addresses.every(isPublicAddress)) throw refuse(NOT_PUBLIC);
}

/** The target of a connection is not one that events may go to. */
export class TargetRefused extends Error {
  constructor() {
    super('The target is not on the public internet.');
    this.name = 'TargetRefused';
  }
}

/** @throws TargetRefused when the address itself says that it must not be connected to */
export function assertConnectable(url: URL, rules: TargetRules): void {
  if (rules.allowPrivate) return;
  const host = hostOf(url);
  if (url.protocol !== 'https:' || (isIP(host) && !isPublicAddress(host))) throw new TargetRefused();
}

/**
 * What a socket connects by. The very addresses that were judged are handed on, so a name that answers differently the
 * second time (DNS rebinding) gains nothing. Sockets do not ask for literal addresses: see {@link assertConnectable}.
 */
export function guardedLookup(rules: TargetRules): LookupFunction {
  const resolve = resolverOf(rules);
  return (hostname, options, callback) => {
    resolve(hostname).then(
      (addresses) => {
        const [first] = addresses;
        const allowed = rules.allowPrivate || addresses.every(({ address }) => isPublicAddress(address));
        if (!first || !allowed) return callback(new TargetRefused(), '', 0);
        if (options.all) callback(null, addresses);
        else callback(null, first.address, first.family);
      },
      (error) => callback(error, '', 0),
    );
  };
}
