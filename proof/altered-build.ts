import { cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));
/** What the program reads beside its own code. */
const BESIDE = ['node_modules', 'migrations', 'openapi', 'demo', 'package.json'];

export interface Alteration {
  /** Below dist/src. */
  file: string;
  /** Has to be there once. */
  line: string;
  by: string;
}

/**
 * A copy of the program in which some lines are others: how it would be without a guard.
 * @returns its cli.js
 * @throws when a line is not what it was: the guard has moved
 */
export async function alterBuild(directory: string, alterations: readonly Alteration[]): Promise<string> {
  await mkdir(join(directory, 'dist'), { recursive: true });
  for (const name of BESIDE) await symlink(join(root, name), join(directory, name));
  await cp(join(root, 'dist/src'), join(directory, 'dist/src'), { recursive: true });
  for (const { file, line, by } of alterations) {
    const path = join(directory, 'dist/src', file);
    const parts = (await readFile(path, 'utf8')).split(line);
    if (parts.length !== 2) throw new Error(`${file} has ${parts.length - 1} times, not once: ${line}`);
    await writeFile(path, parts.join(by));
  }
  return join(directory, 'dist/src/cli.js');
}
