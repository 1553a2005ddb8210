import { createHash, type KeyObject, randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { link, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline as pipe } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import { isUuid } from '../../lib/uuid.js';
import { decodeLeaf, encodeLeaf, LEAF_BYTES, type Leaf } from './checkpoint.js';

// DIR/<partner>/000000001.checkpoint   see encodeCheckpoint
// DIR/<partner>/<root in hex>.leaves.gz   the leaves of every checkpoint with that root, one after the other
// DIR/keys/<start of its SHA-256>.pem   public keys
const CHECKPOINT = /^(\d{9,15})\.checkpoint$/;
const fileOf = (number: number) => `${String(number).padStart(9, '0')}.checkpoint`;
const leavesFileOf = (root: Buffer) => `${root.toString('hex')}.leaves.gz`;
const LEAVES_PER_WRITE = 512;
/** A temporary file of this age was left behind by a process that was killed. */
const ABANDONED_MS = 3_600_000;

const isCode = (error: unknown, code: string) => (error as NodeJS.ErrnoException).code === code;

async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (isCode(error, 'ENOENT')) return [];
    throw error;
  }
}

/** Makes a rename or link that was done in the directory outlive a crash of the machine. */
async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function writeTemporary(directory: string, text: string): Promise<string> {
  await mkdir(directory, { recursive: true });
  const file = join(directory, `${randomUUID()}.tmp`);
  const handle = await open(file, 'wx');
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  return file;
}

/** Writes a file at once or not at all. @returns false when there is one of that name, which stays as it is */
async function writeOnce(file: string, text: string): Promise<boolean> {
  const directory = dirname(file);
  const temporary = await writeTemporary(directory, text);
  try {
    // Not rename: of two instances that write the same number one has to lose.
    await link(temporary, file);
    await syncDirectory(directory);
    return true;
  } catch (error) {
    if (isCode(error, 'EEXIST')) return false;
    throw error;
  } finally {
    await rm(temporary, { force: true });
  }
}

/** Partners that have a directory of their own. */
export async function listPartnersIn(directory: string): Promise<string[]> {
  return (await namesIn(directory)).filter(isUuid).sort();
}

/** Numbers of a partner's checkpoints, ascending. */
export async function listCheckpointNumbers(directory: string, partnerId: string): Promise<number[]> {
  const names = await namesIn(join(directory, partnerId));
  return names.flatMap((name) => Number(CHECKPOINT.exec(name)?.[1] ?? Number.NaN) || []).sort((a, b) => a - b);
}

export async function readCheckpoint(directory: string, partnerId: string, number: number): Promise<string> {
  return readFile(join(directory, partnerId, fileOf(number)), 'utf8');
}

/** @returns false when another instance has written that number meanwhile */
export async function addCheckpoint(
  directory: string,
  partnerId: string,
  number: number,
  note: string,
): Promise<boolean> {
  return writeOnce(join(directory, partnerId, fileOf(number)), note);
}

async function* joined(leaves: AsyncIterable<Leaf>): AsyncGenerator<Buffer> {
  let waiting: Buffer[] = [];
  for await (const leaf of leaves) {
    waiting.push(encodeLeaf(leaf));
    if (waiting.length < LEAVES_PER_WRITE) continue;
    yield Buffer.concat(waiting);
    waiting = [];
  }
  yield Buffer.concat(waiting);
}

/**
 * Writes leaves as they come.
 * @param rootOf asked when the last one has come; names the file
 */
export async function writeLeaves(
  directory: string,
  partnerId: string,
  leaves: AsyncIterable<Leaf>,
  rootOf: () => Buffer,
): Promise<void> {
  const place = join(directory, partnerId);
  await mkdir(place, { recursive: true });
  await removeAbandoned(place);
  const temporary = join(place, `${randomUUID()}.tmp`);
  try {
    await pipeline(joined(leaves), createGzip(), createWriteStream(temporary, { flags: 'wx', flush: true }));
    // One that is there says the same: its name is the hash of what it says.
    await rename(temporary, join(place, leavesFileOf(rootOf())));
    await syncDirectory(place);
  } finally {
    await rm(temporary, { force: true });
  }
}

async function removeAbandoned(place: string): Promise<void> {
  for (const name of await namesIn(place)) {
    if (!name.endsWith('.tmp')) continue;
    const file = join(place, name);
    const age = await stat(file).then(
      ({ mtimeMs }) => Date.now() - mtimeMs,
      () => 0,
    );
    if (age > ABANDONED_MS) await rm(file, { force: true });
  }
}

/** @throws when there is no such file, or it is not one of leaves */
export async function* readLeaves(directory: string, partnerId: string, root: Buffer): AsyncGenerator<Leaf> {
  const unpacked = createGunzip();
  // An error on either side ends the iteration below with it.
  pipe(createReadStream(join(directory, partnerId, leavesFileOf(root))), unpacked, () => {});
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of unpacked as AsyncIterable<Buffer>) {
    const bytes = Buffer.concat([rest, chunk]);
    let at = 0;
    for (; at + LEAF_BYTES <= bytes.length; at += LEAF_BYTES) yield decodeLeaf(bytes.subarray(at, at + LEAF_BYTES));
    rest = bytes.subarray(at);
  }
  if (rest.length > 0) throw new Error('the list of leaves ends within one');
}

/** Puts a public key beside what it verifies. @returns the file */
export async function exportPublicKey(directory: string, key: KeyObject): Promise<string> {
  const der = key.export({ type: 'spki', format: 'der' });
  const name = createHash('sha256').update(der).digest('hex').slice(0, 16);
  const file = join(directory, 'keys', `${name}.pem`);
  await writeOnce(file, String(key.export({ type: 'spki', format: 'pem' })));
  return file;
}

/** PEM text of the public keys that lie beside the checkpoints. */
export async function readPublicKeys(directory: string): Promise<string[]> {
  const names = (await namesIn(join(directory, 'keys'))).filter((name) => name.endsWith('.pem')).sort();
  return Promise.all(names.map((name) => readFile(join(directory, 'keys', name), 'utf8')));
}
