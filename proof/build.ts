import { cp, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What is taken out of compiled files. */
export interface Removal {
  /** In `src/`: there `guard` has to be exactly once. Absent: wherever it is. */
  file?: string;
  guard: string | RegExp;
  instead: string;
}

const checkout = fileURLToPath(new URL('../../', import.meta.url));
/** What the program reads beside its own code. */
const BESIDE = ['node_modules', 'package.json', 'migrations', 'openapi', 'demo'];

/** The program as it is shipped. */
export const SHIPPED = join(checkout, 'dist', 'src');

export const cliOf = (build: string) => join(build, 'cli.js');

/**
 * A copy of the program in which guards are missing.
 * @returns its `src/`
 * @throws when a guard is not where it is looked for: what is run would have it
 */
export async function buildWithout(workDir: string, name: string, removals: readonly Removal[]): Promise<string> {
  const root = join(workDir, name);
  const build = join(root, 'dist', 'src');
  await mkdir(join(root, 'dist'), { recursive: true });
  await cp(SHIPPED, build, { recursive: true });
  for (const beside of BESIDE) await symlink(join(checkout, beside), join(root, beside));
  for (const { file, guard, instead } of removals) {
    const names = file === undefined ? await readdir(build, { recursive: true }) : [file];
    let found = 0;
    for (const path of names.filter((one) => one.endsWith('.js')).map((one) => join(build, one))) {
      const parts = (await readFile(path, 'utf8')).split(guard);
      if (parts.length > 1) await writeFile(path, parts.join(instead));
      found += parts.length - 1;
    }
    if (file === undefined ? found === 0 : found !== 1) throw new Error(`${file ?? name} has ${guard} ${found} times`);
  }
  return build;
}
