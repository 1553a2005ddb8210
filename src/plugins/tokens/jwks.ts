import { type CryptoKey, createLocalJWKSet, errors, type JSONWebKeySet, type JWTHeaderParameters } from 'jose';

/** Public keys that are already at hand: those of the built-in issuer. Asked for no address, never out of date. */
export interface LocalKeySet {
  /** The `jwksUri` of the issuers that these keys belong to. */
  readonly jwksUri: string;
  readonly jwks: JSONWebKeySet;
}

export interface KeySet {
  /** @throws KeysUnavailable when the key server does not answer, jose's errors when no key fits */
  getKey(header: JWTHeaderParameters): Promise<CryptoKey>;
  /** The `issuer` that the key itself names, as Entra's key documents do. */
  issuerOf(keyId: string): string | undefined;
  /** Starts a fetch in the background when the keys are due for one. Cheap; called on every request. */
  refreshWhenDue(): void;
}

/** No key can be had, so nothing can be said about a token. */
export class KeysUnavailable extends Error {
  override readonly name = 'KeysUnavailable';
}

export interface RemoteKeyTimes {
  /** Keys older than this are fetched again in the background: a withdrawn key lives no longer. Milliseconds. */
  refreshAfter: number;
  /** Keys that could not be fetched again for so long are no longer used. Milliseconds. */
  maxAge: number;
  /** The least time between two fetches, whatever tokens arrive. Milliseconds. */
  coolDown: number;
  /** The same after a failure while no key is known at all. Milliseconds. */
  firstCoolDown: number;
  /** For one fetch, body included. Milliseconds. */
  timeout: number;
}

/** `maxAge`: Entra tells its clients to look for new keys every 24 hours (learn.microsoft.com/entra/identity-platform/signing-key-rollover). */
export const REMOTE_KEY_TIMES: RemoteKeyTimes = {
  refreshAfter: 10 * 60_000,
  maxAge: 24 * 3_600_000,
  coolDown: 30_000,
  firstCoolDown: 5_000,
  timeout: 2_000,
};

/** Entra's common key document is about 20 KB. */
const MAX_DOCUMENT_BYTES = 256 * 1024;

function keyIssuers(jwks: JSONWebKeySet): ReadonlyMap<string, string> {
  const issuers = new Map<string, string>();
  for (const { kid, issuer } of jwks.keys as readonly { kid?: unknown; issuer?: unknown }[]) {
    if (typeof kid === 'string' && typeof issuer === 'string') issuers.set(kid, issuer);
  }
  return issuers;
}

export function createLocalKeys({ jwks }: LocalKeySet): KeySet {
  const resolve = createLocalJWKSet(jwks);
  const issuers = keyIssuers(jwks);
  return { getKey: (header) => resolve(header), issuerOf: (keyId) => issuers.get(keyId), refreshWhenDue: () => {} };
}

/** The body as JSON text; neither a redirect nor a body above the limit is followed to its end. */
async function fetchDocument(uri: string, late: AbortSignal): Promise<string> {
  const response = await fetch(uri, {
    redirect: 'error',
    signal: late,
    headers: { accept: 'application/json, application/jwk-set+json' },
  });
  if (response.status !== 200 || !response.body) {
    await response.body?.cancel();
    throw new Error(`The key server answered ${response.status}.`);
  }
  const body = response.body.getReader();
  // By itself the signal ends no body any more once garbage was collected: undici holds on to it weakly.
  late.addEventListener('abort', () => void body.cancel().catch(() => {}));
  const chunks: Uint8Array[] = [];
  let size = 0;
  for (let part = await body.read(); !part.done; part = await body.read()) {
    size += part.value.byteLength;
    if (size > MAX_DOCUMENT_BYTES) {
      await body.cancel();
      throw new Error(`The key document is larger than ${MAX_DOCUMENT_BYTES} bytes.`);
    }
    chunks.push(part.value);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** What `work` gives, or an error after so long, whatever becomes of `work`. */
async function within<T>(milliseconds: number, work: (late: AbortSignal) => Promise<T>): Promise<T> {
  const late = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`The key server did not answer within ${milliseconds} ms.`));
      late.abort();
    }, milliseconds);
  });
  try {
    return await Promise.race([work(late.signal), limit]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Keys behind an address. Known keys go on working while the key server is down, until `maxAge`.
 * @param onChange called in the same tick in which a changed key set takes effect
 */
export function createRemoteKeys(
  uri: string,
  options: { now: () => Date; onChange: () => void; times?: Partial<RemoteKeyTimes> },
): KeySet {
  const times = { ...REMOTE_KEY_TIMES, ...options.times };
  let resolve: ReturnType<typeof createLocalJWKSet> | undefined;
  let issuers: ReadonlyMap<string, string> = new Map();
  let document = '';
  let fetchedAt = Number.NEGATIVE_INFINITY;
  let failedAt = Number.NEGATIVE_INFINITY;
  let failure: unknown;
  let pending: Promise<void> | undefined;
  const time = () => options.now().getTime();

  async function load(): Promise<void> {
    try {
      const text = await within(times.timeout, (late) => fetchDocument(uri, late));
      const jwks = JSON.parse(text) as JSONWebKeySet;
      const next = createLocalJWKSet(jwks);
      if (jwks.keys.length === 0) throw new Error('The key document has no keys.');
      const changed = document !== '' && document !== text;
      resolve = next;
      issuers = keyIssuers(jwks);
      document = text;
      fetchedAt = time();
      if (changed) options.onChange();
    } catch (error) {
      failedAt = time();
      failure = error;
      throw new KeysUnavailable(`No keys from ${uri}.`, { cause: error });
    }
  }

  function coolingDown(): boolean {
    return time() - failedAt < (resolve ? times.coolDown : times.firstCoolDown);
  }

  function refresh(): Promise<void> {
    if (!pending) {
      if (coolingDown()) return Promise.reject(new KeysUnavailable(`No keys from ${uri}.`, { cause: failure }));
      pending = load().finally(() => {
        pending = undefined;
      });
    }
    return pending;
  }

  function refreshWhenDue(): void {
    // A failure is kept in `failure` and shows when a key is needed that is not there.
    if (resolve && time() - fetchedAt > times.refreshAfter && !coolingDown()) refresh().catch(() => {});
  }

  return {
    refreshWhenDue,
    issuerOf: (keyId) => issuers.get(keyId),
    async getKey(header) {
      if (!resolve || time() - fetchedAt > times.maxAge) await refresh();
      refreshWhenDue();
      if (!resolve) throw new KeysUnavailable(`No keys from ${uri}.`);
      try {
        return await resolve(header);
      } catch (error) {
        if (!(error instanceof errors.JWKSNoMatchingKey) || time() - fetchedAt < times.coolDown) throw error;
      }
      await refresh();
      return resolve(header);
    },
  };
}
