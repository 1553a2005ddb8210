import { cp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Build, cloneBuild, repository } from '../harness/build.js';
import { spawnProgram } from '../harness/processes.js';

export interface TestRun {
  files: number;
  assertions: number;
  /** Assertions, and files that ended otherwise than with 0. */
  failed: string[];
}

const AT_ONCE = 2;
const USES_A_DATABASE = /\b(startService|createTestDatabase)\b/;

/** The test files of a build that need a database. */
export async function listDatabaseTests({ directory }: Build): Promise<string[]> {
  const names = (await readdir(join(directory, 'dist/test'), { recursive: true })).filter((name) =>
    name.endsWith('.test.js'),
  );
  const texts = await Promise.all(names.map((name) => readFile(join(directory, 'dist/test', name), 'utf8')));
  return names.filter((_name, index) => USES_A_DATABASE.test(texts[index] ?? '')).sort();
}

/**
 * Runs tests of an earlier build, its code as it was, on databases that the migrations of this one have made.
 * @param planted a further migration
 */
export async function runEarlierTests(
  earlier: Build,
  options: { directory: string; superuserUrl: string; names: readonly string[]; planted?: string },
): Promise<TestRun> {
  const { directory, superuserUrl, names, planted } = options;
  const build = await cloneBuild(earlier, directory);
  const migrations = join(build.directory, 'migrations');
  await rm(migrations, { recursive: true });
  await cp(join(repository, 'migrations'), migrations, { recursive: true });
  if (planted) await writeFile(join(migrations, '9999_planted.sql'), planted);
  const run: TestRun = { files: 0, assertions: 0, failed: [] };
  const waiting = [...names];
  const runOneByOne = async () => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
      const logFile = join(build.directory, `${name.replaceAll('/', '-')}.tap`);
      const ended = await spawnProgram(process.execPath, {
        args: [join(build.directory, 'dist/test', name)],
        environment: { TEST_DATABASE_URL: superuserUrl, TAP_TIMEOUT: '300' },
        logFile,
        workDir: build.directory,
      }).ended;
      const lines = (await readFile(logFile, 'utf8')).split('\n');
      const failed = lines.filter((line) => /^ *not ok /.test(line)).map((line) => `${name}: ${line.trim()}`);
      run.files++;
      run.assertions += lines.filter((line) => /^ *(not )?ok /.test(line)).length;
      run.failed.push(...(ended !== 0 && failed.length === 0 ? [`${name} ended with ${ended}`] : failed));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, runOneByOne));
  return run;
}
