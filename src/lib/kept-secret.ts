import { randomUUID } from 'node:crypto';
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The data directory cannot be read or written. The message is one sentence. */
export class DataDirUnusable extends Error {
  constructor(cause: Error) {
    super(`DATA_DIR cannot be used: ${cause.message}.`, { cause });
  }
}

/**
 * A secret text of the data directory, for its owner alone: what is kept there, else what is made, kept from now on. Of two
 * starts at once one file wins: `link` fails where the name exists, and never shows half a file.
 * @throws DataDirUnusable
 */
export async function keepSecret(dataDir: string, name: string, make: () => string | Promise<string>): Promise<string> {
  const file = join(dataDir, name);
  try {
    return (await readKept(file)) ?? (await keep(dataDir, file, await make()));
  } catch (error) {
    throw new DataDirUnusable(error as Error);
  }
}

const readKept = (file: string): Promise<string | undefined> =>
  readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
    return undefined;
  });

async function keep(dataDir: string, file: string, fresh: string): Promise<string> {
  // Not 0700: run by root, the embedded server has to get through as another user. What is secret is 0600 itself.
  await mkdir(dataDir, { recursive: true, mode: 0o711 });
  const own = `${file}.${randomUUID()}`;
  try {
    await writeFile(own, fresh, { mode: 0o600, flag: 'wx' });
    await link(own, file).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  } finally {
    await rm(own, { force: true });
  }
  return readFile(file, 'utf8');
}
