import { constants } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/** The account PostgreSQL runs as when this process is root; PostgreSQL itself refuses to run as root. */
export interface ServerUser {
  uid: number;
  gid: number;
}

/**
 * @param dataDirectory of the cluster; its owner, when it exists, is who the server has to run as
 * @param passwdFile passwd(5); an account is looked up, never made
 * @returns undefined when the server runs as this process's own user
 */
export async function findServerUser(
  dataDirectory: string,
  passwdFile = '/etc/passwd',
): Promise<ServerUser | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const existing = await stat(dataDirectory).catch(() => undefined);
  if (existing && existing.uid !== 0) return { uid: existing.uid, gid: existing.gid };
  const accounts = (await readFile(passwdFile, 'utf8')).split('\n').map((line) => line.split(':'));
  for (const name of ['postgres', '_postgres', 'nobody']) {
    const account = accounts.find((fields) => fields[0] === name);
    if (account) return { uid: Number(account[2]) >>> 0, gid: Number(account[3]) >>> 0 };
  }
  throw new Error(
    'The embedded PostgreSQL cannot run as root, and there is neither an account postgres nor nobody: run as another user, or set DATABASE_URL to a PostgreSQL 15 or newer.',
  );
}

/**
 * Whether `user` can get into the directory `path` from the root, by the mode bits.
 * @param read also whether it can list or read `path` itself
 */
export async function canReach(path: string, user: ServerUser | undefined, read = false): Promise<boolean> {
  if (!user) return true;
  const { S_IROTH, S_IXOTH } = constants;
  for (let at = path, needed = read ? S_IROTH | S_IXOTH : S_IXOTH; ; at = dirname(at), needed = S_IXOTH) {
    const { uid, gid, mode } = await stat(at);
    const shift = uid === user.uid ? 6 : gid === user.gid ? 3 : 0;
    if (((mode >> shift) & needed) !== needed) return false;
    if (at === dirname(at)) return true;
  }
}
