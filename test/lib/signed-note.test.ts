import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import t from 'tap';
import { openNote, signNote } from '../../src/lib/signed-note.js';

const { privateKey, publicKey } = generateKeyPairSync('ed25519');
const key = { name: 'log.example', publicKey };
const text = 'log.example/1\n42\nroot\n';
const note = signNote(text, key.name, privateKey);

t.test('a note of another implementation is opened', async (t) => {
  // The example of golang.org/x/mod/sumdb/note.
  const spki = Buffer.concat([
    Buffer.from('302a300506032b6570032100', 'hex'),
    Buffer.from('ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW', 'base64').subarray(1),
  ]);
  const peter = { name: 'PeterNeumann', publicKey: createPublicKey({ key: spki, format: 'der', type: 'spki' }) };
  const theirs =
    'If you think cryptography is the answer to your problem,\n' +
    "then you don't know what your problem is.\n\n" +
    '— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n';
  t.match(openNote(theirs, [peter]), /^If you think/);
});

t.test('what was signed is opened, and nothing that was changed', async (t) => {
  t.equal(openNote(note, [key]), text);
  const other = generateKeyPairSync('ed25519').publicKey;
  t.equal(openNote(note, [{ name: key.name, publicKey: other }]), undefined, 'another key');
  t.equal(openNote(note, [{ ...key, name: 'other.example' }]), undefined, 'another name');
  t.equal(openNote(note, []), undefined);
  t.equal(openNote(note, [{ name: 'x', publicKey: other }, key]), text, 'one of several');
  t.equal(openNote(note.replace('42', '43'), [key]), undefined);
  t.equal(openNote(text, [key]), undefined, 'not signed');
  t.equal(openNote('', [key]), undefined);
  const end = note.lastIndexOf(' ') + 1;
  for (let at = 0; at < note.length - end - 3; at++) {
    const changed = note[end + at] === 'A' ? 'B' : 'A';
    const bent = `${note.slice(0, end + at)}${changed}${note.slice(end + at + 1)}`;
    t.equal(openNote(bent, [key]), undefined, `byte ${at} of the signature`);
  }
});
