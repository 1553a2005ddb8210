import { cp, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository, with its dependencies. */
export const repository = fileURLToPath(new URL('../../', import.meta.url));
/** What the package consists of, and the tests need beside it. */
const PARTS = ['package.json', 'dist/cli.js', 'dist/src', 'migrations', 'demo', 'openapi'];

export interface Edit {
  /** From the directory of the package, e.g. `dist/src/app.js`: there it has to be once. Of a directory: wherever it is. */
  file: string;
  find: string | RegExp;
  replace: string;
}

export interface Build {
  directory: string;
  cli: string;
}

/** The one that is not bundled: each module can be altered, and found again in a profile. */
export const buildAt = (directory: string): Build => ({ directory, cli: join(directory, 'dist/src/cli.js') });

/** Other dependencies than this repository's are not installed. */
export async function linkDependencies(directory: string): Promise<void> {
  await symlink(join(repository, 'node_modules'), join(directory, 'node_modules'));
}

/**
 * A copy of the service to take something out of.
 * @throws when an edit does not find its text, or in one file not once
 */
export async function copyBuild(directory: string, edits: readonly Edit[]): Promise<Build> {
  await mkdir(directory, { recursive: true });
  for (const part of PARTS) {
    await mkdir(dirname(join(directory, part)), { recursive: true });
    await cp(join(repository, part), join(directory, part), { recursive: true });
  }
  await linkDependencies(directory);
  for (const { file, find, replace } of edits) {
    const within = join(directory, file);
    const everywhere = (await stat(within)).isDirectory();
    const paths = everywhere
      ? (await readdir(within, { recursive: true }))
          .filter((name) => name.endsWith('.js'))
          .map((name) => join(within, name))
      : [within];
    let found = 0;
    for (const path of paths) {
      const parts = (await readFile(path, 'utf8')).split(find);
      if (parts.length > 1) await writeFile(path, parts.join(replace));
      found += parts.length - 1;
    }
    if (everywhere ? found === 0 : found !== 1) throw new Error(`${file} has ${found} times: ${find}`);
  }
  return buildAt(directory);
}

/** A copy of another build, which may be changed. */
export async function cloneBuild({ directory: from }: Build, directory: string): Promise<Build> {
  await cp(from, directory, { recursive: true, verbatimSymlinks: true });
  return buildAt(directory);
}
