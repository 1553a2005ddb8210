import { createHash, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';

/** Ed25519, as the signature type of a note. */
const ED25519 = 1;
const PUBLIC_KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;
const KEY_ID_BYTES = 4;

/** A key that a note may be signed with. */
export interface NoteKey {
  /** Stands in the signature line; no space and no plus. */
  name: string;
  publicKey: KeyObject;
}

function rawPublicKey(key: KeyObject): Buffer {
  return key.export({ type: 'spki', format: 'der' }).subarray(-PUBLIC_KEY_BYTES);
}

function keyId({ name, publicKey }: NoteKey): Buffer {
  const type = Buffer.of(ED25519);
  return createHash('sha256')
    .update(`${name}\n`)
    .update(type)
    .update(rawPublicKey(publicKey))
    .digest()
    .subarray(0, KEY_ID_BYTES);
}

/**
 * A signed note (c2sp.org/signed-note): the text, an empty line, and a line with the signature of the text's bytes.
 * @param text lines, each ended by a newline, the last one not empty
 * @param privateKey Ed25519
 */
export function signNote(text: string, name: string, privateKey: KeyObject): string {
  const id = keyId({ name, publicKey: createPublicKey(privateKey) });
  const signature = Buffer.concat([id, sign(null, Buffer.from(text), privateKey)]);
  return `${text}\n— ${name} ${signature.toString('base64')}\n`;
}

/** @returns the text when one of the keys has signed it; else undefined */
export function openNote(note: string, keys: readonly NoteKey[]): string | undefined {
  const end = note.lastIndexOf('\n\n');
  if (end < 0) return undefined;
  const text = note.slice(0, end + 1);
  for (const line of note.slice(end + 2).split('\n')) {
    const [, name, encoded = ''] = /^— (\S+) ([A-Za-z0-9+/]+=*)$/.exec(line) ?? [];
    const signature = Buffer.from(encoded, 'base64');
    if (signature.length !== KEY_ID_BYTES + SIGNATURE_BYTES) continue;
    const key = keys.find((one) => one.name === name && keyId(one).equals(signature.subarray(0, KEY_ID_BYTES)));
    if (key && verify(null, Buffer.from(text), key.publicKey, signature.subarray(KEY_ID_BYTES))) return text;
  }
  return undefined;
}
