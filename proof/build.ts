import { dirname, join } from 'node:path';
import { repository } from '../harness/build.js';
import { type Alteration, alterBuild } from './altered-build.js';

/** The `src/` of the program as it is shipped. */
export const SHIPPED = join(repository, 'dist', 'src');

export const cliOf = (build: string) => join(build, 'cli.js');

/** {@link alterBuild}. @returns its `src/` */
export async function buildWithout(workDir: string, name: string, guards: readonly Alteration[]): Promise<string> {
  return dirname(await alterBuild(join(workDir, name), guards));
}
