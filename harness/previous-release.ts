import { execFile, spawnSync } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Build, buildAt, linkDependencies, repository } from './build.js';

/** The release before the one that is in work, which has the schema of its first migration alone. */
export const PREVIOUS_RELEASE = { version: '0.1.0', commit: 'ee464dfa161a271a8af66cee273f5a7e0cdb1ce1' } as const;

const run = promisify(execFile);

/** Whether the repository's history reaches back to it: a shallow clone's and a tarball's do not. */
export function hasPreviousRelease(): boolean {
  const { status } = spawnSync('git', ['-C', repository, 'cat-file', '-e', `${PREVIOUS_RELEASE.commit}^{commit}`]);
  return status === 0;
}

/** Takes it out of the history and builds it, with the dependencies that are installed. */
export async function buildPreviousRelease(directory: string): Promise<Build> {
  await mkdir(directory, { recursive: true });
  const archive = `${directory}.tar`;
  await run('git', ['-C', repository, 'archive', '--output', archive, PREVIOUS_RELEASE.commit]);
  await run('tar', ['-xf', archive, '-C', directory]);
  await linkDependencies(directory);
  const compiler = join(directory, 'node_modules/typescript-7/bin/tsc');
  await run(process.execPath, [compiler, '-p', 'tsconfig.json', '--noCheck'], { cwd: directory });
  return buildAt(directory);
}
