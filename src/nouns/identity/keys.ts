import { randomUUID } from 'node:crypto';
import { link, mkdir, readFile, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type CryptoKey, calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, type JWK } from 'jose';

export interface SigningKey {
  readonly keyId: string;
  readonly privateKey: CryptoKey;
  readonly publicJwk: JWK;
}

const FILE = 'identity-key.json';

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Of two starts at once one file wins: `link` fails where the name exists, and never shows half a file. */
async function createKeyFile(path: string): Promise<void> {
  const { privateKey } = await generateKeyPair('RS256', { extractable: true });
  const draft = `${path}.${randomUUID()}`;
  await writeFile(draft, JSON.stringify(await exportJWK(privateKey)), { mode: 0o600, flag: 'wx' });
  try {
    await link(draft, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    await unlink(draft);
  }
}

/** The RSA key of the built-in issuer: made once, kept in `dataDir` for its owner alone. */
export async function loadSigningKey(dataDir: string): Promise<SigningKey> {
  await mkdir(dataDir, { recursive: true, mode: 0o711 });
  const path = join(dataDir, FILE);
  let text = await readIfThere(path);
  if (text === undefined) {
    await createKeyFile(path);
    text = await readFile(path, 'utf8');
  }
  const jwk = JSON.parse(text) as JWK;
  const { kty, n, e } = jwk;
  if (kty !== 'RSA' || n === undefined || e === undefined) {
    throw new Error(`The file ${path} is not an RSA key: remove it, and a new one is made.`);
  }
  const keyId = await calculateJwkThumbprint({ kty, n, e });
  const privateKey = (await importJWK(jwk, 'RS256')) as CryptoKey;
  return { keyId, privateKey, publicJwk: { kty, n, e, kid: keyId, alg: 'RS256', use: 'sig' } };
}
