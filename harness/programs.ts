import { accessSync, constants, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { findServerUser, type ServerUser } from '../src/db/embedded/server-user.js';

/** Where distributions put servers, outside of most users' PATH. */
const SERVER_DIRECTORIES = ['/usr/sbin', '/usr/local/sbin'];

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Debian's own place for the programs of PostgreSQL, the oldest version first: 15 is the floor. */
function postgresDirectories(): string[] {
  const root = '/usr/lib/postgresql';
  try {
    const versions = readdirSync(root).filter((name) => Number(name) >= 15);
    return versions.sort((one, other) => Number(one) - Number(other)).map((version) => join(root, version, 'bin'));
  } catch {
    return [];
  }
}

/** The full path of a program, where it is installed. */
export function findProgram(name: string): string | undefined {
  const directories = [...(process.env.PATH ?? '').split(':'), ...SERVER_DIRECTORIES, ...postgresDirectories()];
  return directories.map((directory) => join(directory, name)).find(isExecutable);
}

/** Whom programs run as that refuse to be root; undefined: this process's own user. */
export function serverUser(): Promise<ServerUser | undefined> {
  return findServerUser('/nowhere');
}
