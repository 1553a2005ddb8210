import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { spawnNode } from '../harness/processes.js';
import { startService } from '../harness/service.js';
import { LIMITED_REQUESTS, TARGET_VARIABLE, type Target } from '../test/contract/target.js';
import { insertPartners } from '../test/helpers/service-client.js';
import type { Proof } from './suite.js';

/**
 * Rows of test/contract. Each lane has a service and a database of its own, since the rows count what is logged; those of
 * `filters` count all that was ever logged.
 */
const LANES: readonly (readonly string[])[] = [['protocol'], ['filters', 'bodies', 'addresses', 'callers']];
/** Needs the service that takes few requests. */
const LIMITED_FILE = 'callers';
/** For a file of rows, on a busy machine. */
const FILE_SECONDS = 120;
const ROW = /^(ok|not ok) \d+ - (.*?)(?: # time=.*)?$/gm;

export interface Rows {
  passed: number;
  failed: string[];
  /** Numbers of the list of bad inputs that the names of the rows have. */
  inputs: ReadonlySet<number>;
}

const fileOf = (name: string) => fileURLToPath(new URL(`../test/contract/${name}.test.js`, import.meta.url));

function numbersOf(name: string): number[] {
  const [listed = ''] = /^(B\d+(, )?)+/.exec(name) ?? [];
  return [...listed.matchAll(/\d+/g)].map(Number);
}

/**
 * Sends the rows of bad inputs to the service in a process of its own.
 * @param cli of an altered build; default: as it is shipped
 */
export async function runRows(
  proof: Proof,
  lanes: readonly (readonly string[])[] = LANES,
  cli?: string,
): Promise<Rows> {
  const rows = { passed: 0, failed: [] as string[], inputs: new Set<number>() };
  const runLane = async (files: readonly string[], environment: Readonly<Record<string, string>>) => {
    for (const name of files) {
      const logFile = join(proof.workDir, `rows-${name}.tap`);
      await spawnNode([fileOf(name)], environment, logFile).ended;
      const found = [...(await readFile(logFile, 'utf8')).matchAll(ROW)];
      if (found.length === 0) throw new Error(`${name} ran no row: ${await readFile(logFile, 'utf8')}`);
      for (const [, result, row = ''] of found) {
        for (const number of numbersOf(row)) rows.inputs.add(number);
        if (result === 'ok') rows.passed += 1;
        else rows.failed.push(row);
      }
    }
  };
  const opened: Lane[] = [];
  for (const [index, files] of lanes.entries()) opened.push(await openLane(proof, index, files, cli));
  await Promise.all(opened.map(({ files, environment }) => runLane(files, environment)));
  for (const { close } of opened) await close();
  return rows;
}

interface Lane {
  files: readonly string[];
  environment: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

async function openLane(
  { workDir, cluster }: Proof,
  index: number,
  files: readonly string[],
  cli: string | undefined,
): Promise<Lane> {
  const database = await cluster.createDatabase(`input_rows_${index}`);
  await insertPartners(database.sql);
  const start = (environment: Readonly<Record<string, string>>) =>
    startService({ workDir, databaseUrl: database.appUrl, environment, ...(cli !== undefined && { cli }) });
  const service = await start({});
  const limited = files.includes(LIMITED_FILE)
    ? await start({ REQUESTS_PER_MINUTE: String(LIMITED_REQUESTS) })
    : undefined;
  const target: Target = {
    url: service.url,
    limitedUrl: limited?.url,
    appUrl: database.appUrl,
    superuserUrl: database.superuserUrl,
    dataDir: join(workDir, 'data'),
  };
  return {
    files,
    environment: { [TARGET_VARIABLE]: JSON.stringify(target), TAP_TIMEOUT: String(FILE_SECONDS) },
    close: async () => {
      await limited?.stop();
      await service.stop();
      await database.drop();
    },
  };
}
