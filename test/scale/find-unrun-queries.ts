import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What Node writes to NODE_V8_COVERAGE, one file for each process. */
interface Coverage {
  result: readonly {
    url: string;
    functions: readonly { functionName: string; ranges: readonly { startOffset: number; count: number }[] }[];
  }[];
}

const QUERIES = /\/dist\/src\/(.*queries)\.js$/;

/** Functions with statements that none of the processes has called, e.g. `nouns/orders/queries: listOrders`. */
export function findUnrun(coverages: readonly Coverage[]): string[] {
  const called = new Map<string, boolean>();
  for (const { url, functions } of coverages.flatMap(({ result }) => result)) {
    const file = QUERIES.exec(url)?.[1];
    if (file === undefined) continue;
    for (const { functionName, ranges } of functions) {
      const name = `${file}: ${functionName}`;
      if (functionName !== '') called.set(name, called.get(name) === true || (ranges[0]?.count ?? 0) > 0);
    }
  }
  if (called.size === 0) throw new Error('no coverage of any queries.ts: run `npm test` first');
  return [...called].flatMap(([name, was]) => (was ? [] : [name])).sort();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const directory = process.argv[2] ?? join(import.meta.dirname, '../../../.tap/coverage');
  const names = (await readdir(directory)).filter((name) => name.endsWith('.json'));
  const coverages: Coverage[] = [];
  for (const name of names) coverages.push(JSON.parse(await readFile(join(directory, name), 'utf8')) as Coverage);
  const unrun = findUnrun(coverages);
  for (const name of unrun) console.log(`no test runs ${name}, so its statements were not checked`);
  process.exitCode = unrun.length === 0 ? 0 : 1;
}
