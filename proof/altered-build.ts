import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { buildAt, copyBuild, repository } from '../harness/build.js';
import { shippedCli } from '../harness/service.js';

export interface Alteration {
  /** Below dist/src; there the line has to be once. Absent: wherever it is. */
  file?: string;
  line: string | RegExp;
  by: string;
}

/**
 * A copy of the program in which some lines are others: how it would be without a guard.
 * @returns its cli.js
 * @throws when a line is not what it was: the guard has moved
 */
export async function alterBuild(directory: string, alterations: readonly Alteration[]): Promise<string> {
  const edits = alterations.map(({ file = '', line, by }) => ({ file: `dist/src/${file}`, find: line, replace: by }));
  return (await copyBuild(directory, edits)).cli;
}

/** A module of the build that has this cli.js; for the one that is shipped, the module that was bundled. */
export function importOf<Module>(cli: string, file: string): Promise<Module> {
  const { cli: ofModules } = cli === shippedCli ? buildAt(repository) : { cli };
  return import(pathToFileURL(join(dirname(ofModules), file)).href);
}
