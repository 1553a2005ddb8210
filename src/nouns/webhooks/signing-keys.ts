import { createPrivateKey, generateKeyPair, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import type { DatabaseHandle } from '../../db/connect.js';
import { seal, unseal } from '../../lib/seal.js';
import { uuidv4 } from '../../lib/uuid.js';
import { makeCertificate } from './certificate.js';
import { insertKey, listUsableKeys } from './queries.js';

export interface SigningKey {
  keyId: string;
  privateKey: KeyObject;
}

const DAY = 24 * 60 * 60 * 1000;
const LIFETIME = 730 * DAY;
/** A receiver that keeps certificates meets the new one while the old one is still valid. */
const RENEWAL = 30 * DAY;
/** Clocks of receivers may be behind. */
const BACKDATED = 60 * 60 * 1000;

const makeKeyPair = promisify(generateKeyPair);

function unsealKey(sealKey: Buffer, sealed: Buffer): KeyObject | undefined {
  try {
    return createPrivateKey(unseal(sealKey, sealed));
  } catch {
    // Sealed under another SECRET_KEY.
    return undefined;
  }
}

/**
 * The key that signs for a partner: the newest that is valid for 30 days more and can be unsealed, else a new one. Two
 * instances at once may make two; either is good, and the certificates of all are kept.
 */
export async function ensureSigningKey(
  db: DatabaseHandle,
  sealKey: Buffer,
  partnerId: string,
  now: Date,
): Promise<SigningKey> {
  const needed = new Date(now.getTime() + RENEWAL);
  for (const row of await db.lookUp(partnerId, (reading) => listUsableKeys(reading, partnerId, needed))) {
    const privateKey = unsealKey(sealKey, row.sealed_key);
    if (privateKey) return { keyId: row.key_id, privateKey };
  }
  const pair = await makeKeyPair('rsa', { modulusLength: 2048 });
  const publicKey = pair.publicKey.export({ type: 'spki', format: 'pem' }) as string;
  const privateKey = pair.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
  const keyId = uuidv4();
  const until = new Date(now.getTime() + LIFETIME);
  const from = new Date(now.getTime() - BACKDATED);
  const certificate = await makeCertificate({ partnerId, keyId, publicKey, privateKey, from, until });
  await db.write(partnerId, (tx) =>
    insertKey(tx, {
      partner_id: partnerId,
      key_id: keyId,
      certificate,
      sealed_key: seal(sealKey, privateKey),
      created_on: now,
      expires_on: until,
    }),
  );
  return { keyId, privateKey: pair.privateKey };
}
