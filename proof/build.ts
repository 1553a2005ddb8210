import { cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What is taken out of one compiled file; `guard` has to be in it exactly once. */
export interface Removal {
  /** In `src/`, as it is compiled. */
  file: string;
  guard: string;
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
    const path = join(build, file);
    const code = await readFile(path, 'utf8');
    if (code.split(guard).length !== 2) throw new Error(`${file} does not have \`${guard}\` once`);
    await writeFile(
      path,
      code.replace(guard, () => instead),
    );
  }
  return build;
}
