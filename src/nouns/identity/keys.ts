import { join } from 'node:path';
import { type CryptoKey, calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, type JWK } from 'jose';
import { keepSecret } from '../../lib/kept-secret.js';

export interface SigningKey {
  readonly keyId: string;
  readonly privateKey: CryptoKey;
  readonly publicJwk: JWK;
}

const FILE = 'identity-key.json';

async function makeKey(): Promise<string> {
  const { privateKey } = await generateKeyPair('RS256', { extractable: true });
  return JSON.stringify(await exportJWK(privateKey));
}

/** The RSA key of the built-in issuer: made once, kept in `dataDir`. @throws DataDirUnusable */
export async function loadSigningKey(dataDir: string): Promise<SigningKey> {
  const jwk = JSON.parse(await keepSecret(dataDir, FILE, makeKey)) as JWK;
  const { kty, n, e } = jwk;
  if (kty !== 'RSA' || n === undefined || e === undefined) {
    throw new Error(`The file ${join(dataDir, FILE)} is not an RSA key: remove it, and a new one is made.`);
  }
  const keyId = await calculateJwkThumbprint({ kty, n, e });
  const privateKey = (await importJWK(jwk, 'RS256')) as CryptoKey;
  return { keyId, privateKey, publicJwk: { kty, n, e, kid: keyId, alg: 'RS256', use: 'sig' } };
}
