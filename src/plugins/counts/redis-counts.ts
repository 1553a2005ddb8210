import type { FastifyBaseLogger } from 'fastify';
import type { Redis, RedisOptions, Result } from 'ioredis';
import { isUntrusted } from '../../lib/untrusted.js';
import type { SharedCounts } from './shared-store.js';

declare module 'ioredis' {
  interface RedisCommander<Context> {
    addOne(key: string, windowMilliseconds: number): Result<[current: number, ttl: number], Context>;
  }
}

/** Redis is there and says no: nothing that waiting mends. The message is the end of a sentence. */
export class RedisRefuses extends Error {}

const PREFIX = 'customer-permissions:limit:';
/** In the network of the service Redis answers within a millisecond; longer than this no request waits for it. */
const ANSWER_MILLISECONDS = 200;
/** How long it is left alone after it did not answer. */
const PAUSE_MILLISECONDS = 1000;
const CONNECT_MILLISECONDS = 2000;
/** A connection that is silent for so long is given up and made anew. */
const SILENT_MILLISECONDS = 3000;

/** A key without an end would refuse its tenant for ever. */
const ADD_ONE = `
local current = redis.call('INCR', KEYS[1])
local ttl = redis.call('PTTL', KEYS[1])
if ttl < 0 then
  ttl = tonumber(ARGV[1])
  redis.call('PEXPIRE', KEYS[1], ttl)
end
return {current, ttl}`;

const REFUSALS: Readonly<Record<string, string>> = {
  NOAUTH: 'it asks for a password',
  WRONGPASS: 'the password is wrong or the user does not exist',
  NOPERM: 'the user may not run SELECT, EVAL, EVALSHA, INCR, PTTL and PEXPIRE on customer-permissions:*',
};

type Place = Pick<RedisOptions, 'host' | 'port' | 'db' | 'username' | 'password' | 'tls'>;

function placeOf(address: string): Place {
  const url = new URL(address);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  return {
    host,
    port: Number(url.port || 6379),
    db: Number(url.pathname.slice(1) || 0),
    ...(url.username && { username: decodeURIComponent(url.username) }),
    ...(url.password && { password: decodeURIComponent(url.password) }),
    ...(url.protocol === 'rediss:' && { tls: {} }),
  };
}

const UNTRUSTED = 'its certificate is not trusted; name its host, and in NODE_EXTRA_CA_CERTS who has signed it';

const refusalOf = (error: unknown) =>
  isUntrusted(error) ? UNTRUSTED : REFUSALS[(error as Error).message.split(' ', 1)[0] ?? ''];

/**
 * Counts in a Redis. It may be away, at the start too: the log says so once, and once when it is back.
 * @throws RedisRefuses
 */
export async function openRedisCounts(address: string, log: FastifyBaseLogger): Promise<SharedCounts> {
  // Loaded by who uses it alone: it costs as much of the start as the rest of the plugins.
  const { Redis } = await import('ioredis');
  const redis: Redis = new Redis({
    ...placeOf(address),
    lazyConnect: true,
    connectTimeout: CONNECT_MILLISECONDS,
    commandTimeout: ANSWER_MILLISECONDS,
    socketTimeout: SILENT_MILLISECONDS,
    // Nothing is kept for later: a count that comes late is wrong.
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    retryStrategy: () => PAUSE_MILLISECONDS,
    // After a failover the old address may lead to a replica.
    reconnectOnError: ({ message }: Error) => message.startsWith('READONLY'),
    enableReadyCheck: false,
    disableClientInfo: true,
    connectionName: 'customer-permissions',
    scripts: { addOne: { lua: ADD_ONE, numberOfKeys: 1 } },
  });
  let away = false;
  let retryAt = 0;
  let refusal: string | undefined;
  const lose = (error: unknown) => {
    refusal ??= refusalOf(error);
    retryAt = performance.now() + PAUSE_MILLISECONDS;
    if (away) return;
    away = true;
    log.warn({ err: error, event: 'rate_limit_store_lost' }, 'RATE_LIMIT_STORE is lost: this instance counts alone');
  };
  const find = () => {
    if (!away) return;
    away = false;
    log.info({ event: 'rate_limit_store_found' }, 'RATE_LIMIT_STORE is back');
  };
  redis.on('error', lose);

  const counts: SharedCounts = {
    add: async (name, windowMilliseconds) => {
      const now = performance.now();
      if (away) {
        if (now < retryAt) return undefined;
        // One request tries; the others do not wait for it.
        retryAt = now + PAUSE_MILLISECONDS;
      }
      try {
        const [current, ttl] = await redis.addOne(PREFIX + name, windowMilliseconds);
        find();
        return { current, ttl };
      } catch (error) {
        lose(error);
        return undefined;
      }
    },
    close: async () => redis.disconnect(),
  };
  await redis.connect().catch(lose);
  if (!away) await counts.add('start', PAUSE_MILLISECONDS);
  if (refusal !== undefined) {
    redis.disconnect();
    throw new RedisRefuses(refusal);
  }
  return counts;
}
