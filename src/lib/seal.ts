import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';

/** A key for one purpose, derived from the service's secret (HKDF-SHA256). */
export function deriveKey(secret: Buffer, purpose: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, '', purpose, 32));
}

const NONCE_BYTES = 12;
/** Random bytes in stock: each system call for some takes longer than the encryption. */
let stock = Buffer.alloc(0);

function takeNonce(): Buffer {
  if (stock.length === 0) stock = randomBytes(NONCE_BYTES * 256);
  const nonce = stock.subarray(0, NONCE_BYTES);
  stock = stock.subarray(NONCE_BYTES);
  return nonce;
}

/** Encrypts and authenticates (AES-256-GCM): 12 bytes nonce, 16 bytes tag, ciphertext. */
export function seal(key: Buffer, text: string): Buffer {
  const nonce = takeNonce();
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  const sealed = [cipher.update(text, 'utf8'), cipher.final()];
  return Buffer.concat([nonce, cipher.getAuthTag(), ...sealed]);
}

/** @throws when the bytes were not sealed with this key */
export function unseal(key: Buffer, bytes: Buffer): string {
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, NONCE_BYTES));
  decipher.setAuthTag(bytes.subarray(NONCE_BYTES, 28));
  return Buffer.concat([decipher.update(bytes.subarray(28)), decipher.final()]).toString('utf8');
}
