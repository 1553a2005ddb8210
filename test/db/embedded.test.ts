import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmod, chown, cp, mkdtemp, readdir, readFile, rm, rmdir, stat, unlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import pg from 'pg';
import t, { type Test } from 'tap';
import { locateBinaries, prepareBinaries } from '../../src/db/embedded/binaries.js';
import { breakLock, identify, withProcessLock } from '../../src/db/embedded/process-lock.js';
import { canReach, findServerUser } from '../../src/db/embedded/server-user.js';
import { type EmbeddedServer, startEmbedded } from '../../src/db/embedded.js';

const silent = () => {};
const nobody = { uid: 65_534, gid: 65_534 };
const asRoot = process.getuid?.() === 0 ? false : 'needs root';
// Syncing is not what these tests are about, except the first.
const settings = { fsync: 'off' };

async function scratch(t: Test): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'embedded-test-'));
  await chmod(directory, 0o755);
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

async function start(t: Test, dataDir: string, more: { binaries?: string; log?: (line: string) => void } = {}) {
  const server = await startEmbedded({ dataDir, log: silent, settings, ...more });
  t.teardown(() => server.stop());
  return server;
}

async function query<R extends pg.QueryResultRow>(url: string, text: string): Promise<R[]> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    return (await client.query<R>(text)).rows;
  } finally {
    await client.end();
  }
}

async function serverPid(dataDirectory: string): Promise<number> {
  return Number.parseInt(await readFile(join(dataDirectory, 'postmaster.pid'), 'utf8'), 10);
}

async function isGone(pid: number): Promise<boolean> {
  for (let i = 0; i < 200 && identify(pid); i++) await setTimeout(10);
  return identify(pid) === undefined;
}

type Started = Pick<EmbeddedServer, 'owned' | 'port' | 'superuserUrl'>;

/** A process of its own that starts the server, reports it, and stops it when its standard input ends. */
function startInChild(t: Test, dataDir: string, more: { uid?: number; gid?: number; binaries?: string } = {}) {
  const { binaries, ...user } = more;
  const module = new URL('../../src/db/embedded.js', import.meta.url).href;
  const code = `
    const { startEmbedded } = await import(${JSON.stringify(module)});
    const server = await startEmbedded({ ...${JSON.stringify({ dataDir, settings, binaries })}, log() {} });
    console.log(JSON.stringify(server));
    process.stdin.on('end', () => server.stop()).resume();`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
    ...user,
    cwd: '/',
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  t.teardown(() => end(child));
  const started = (async () => {
    for await (const line of createInterface({ input: child.stdout })) return JSON.parse(line) as Started;
    throw new Error('the child did not start a server');
  })();
  return { child, started };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.stdin?.end();
  await once(child, 'exit');
}

async function kill(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL');
  await once(child, 'exit');
}

/** A copy of the installed package, as an install without scripts leaves it. */
async function copyWithoutLinks(directory: string): Promise<string> {
  const source = dirname(locateBinaries());
  const native = join(directory, 'package', 'native');
  await cp(source, dirname(native), { recursive: true, verbatimSymlinks: true });
  for (const entry of await readdir(join(native, 'lib'), { withFileTypes: true })) {
    if (entry.isSymbolicLink()) await unlink(join(native, 'lib', entry.name));
  }
  return native;
}

t.test('a cluster is made once and kept', async (t) => {
  const dataDir = join(await scratch(t), 'data');
  const first = await startEmbedded({ dataDir, log: silent });
  t.teardown(() => first.stop());
  const pid = await serverPid(join(dataDir, 'postgres'));

  t.match(first, { owned: true, version: /^18\.\d+$/ });
  t.ok(first.port < 32_768, 'the port is below those given to outgoing connections');
  t.match(
    await query(
      first.superuserUrl,
      `select current_setting('listen_addresses') as addresses, current_setting('unix_socket_directories') as sockets,
        current_setting('fsync') as fsync, datlocprovider as provider, datlocale as locale,
        pg_encoding_to_char(encoding) as encoding from pg_database where datname = 'template1'`,
    ),
    [{ addresses: '127.0.0.1', sockets: '', fsync: 'on', provider: 'b', locale: 'C.UTF-8', encoding: 'UTF8' }],
  );
  t.same(
    await query(first.superuserUrl, 'select distinct auth_method as method from pg_hba_file_rules'),
    [{ method: 'scram-sha-256' }],
    'no connection is trusted',
  );
  await t.rejects(query(first.urlFor('postgres', 'postgres', 'wrong'), 'select 1'), { code: '28P01' });
  t.equal((await stat(join(dataDir, 'postgres.json'))).mode & 0o777, 0o600, 'the password is for the user alone');
  t.equal(first.urlFor('a b', 'u', 'p@/'), `postgresql://u:p%40%2F@127.0.0.1:${first.port}/a%20b`);

  if (process.platform === 'linux') {
    const group = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]?.split(' ')[2];
    t.equal(Number(group), pid, 'Ctrl-C in the terminal does not reach it');
  }
  await query(first.superuserUrl, 'create table kept as select 42 as answer');
  await first.stop();
  await first.stop();
  t.ok(await isGone(pid), 'stop leaves no process');

  const second = await start(t, dataDir);
  t.equal(second.superuserUrl, first.superuserUrl, 'port and password stay the same');
  t.same(await query(second.superuserUrl, 'select answer from kept'), [{ answer: 42 }]);
  await second.stop();

  const other = createServer().listen(first.port, '127.0.0.1');
  await once(other, 'listening');
  t.teardown(() => other.close());
  const third = await start(t, dataDir);
  t.not(third.port, first.port, 'another port when the remembered one is taken');
  t.same(await query(third.superuserUrl, 'select answer from kept'), [{ answer: 42 }]);
  await third.stop();

  await writeFile(join(dataDir, 'postgres', 'PG_VERSION'), '17\n');
  await t.rejects(start(t, dataDir), {
    message: /was made by PostgreSQL 17, and this is 18\.\d+: set another DATA_DIR/,
  });

  await unlink(join(dataDir, 'postgres.json'));
  await t.rejects(start(t, dataDir), { message: /postgres\.json with the password .* is missing/ });
});

t.test('processes on one data directory', async (t) => {
  const dataDir = await scratch(t);
  const dataDirectory = join(dataDir, 'postgres');

  t.test('two first starts at once end up on one server', async (t) => {
    const both = await Promise.all([startInChild(t, dataDir).started, startInChild(t, dataDir).started]);
    t.equal(both[0].superuserUrl, both[1].superuserUrl);
    t.same(both.map((server) => server.owned).sort(), [false, true]);
    for (const server of both) t.ok(await query(server.superuserUrl, 'select 1'));
  });

  t.test('a server that another process started is shared, and left to it', async (t) => {
    const { child, started } = startInChild(t, dataDir);
    const theirs = await started;
    const pid = await serverPid(dataDirectory);
    const mine = await start(t, dataDir);
    t.match(theirs, { owned: true });
    t.match(mine, { owned: false, superuserUrl: theirs.superuserUrl });
    await mine.stop();
    t.ok(await query(theirs.superuserUrl, 'select 1'), 'it still runs');
    await end(child);
    t.ok(await isGone(pid));
  });

  t.test('the server of a killed run is taken over', async (t) => {
    const { child, started } = startInChild(t, dataDir);
    const { port } = await started;
    const pid = await serverPid(dataDirectory);
    await kill(child);
    t.ok(identify(pid), 'the server outlived the process that started it');
    const server = await start(t, dataDir);
    t.match(server, { owned: true, port });
    t.equal(await serverPid(dataDirectory), pid);
    await server.stop();
    t.ok(await isGone(pid), 'stop ends it');
  });

  t.test('a postmaster.pid that a killed server left does not stop the start', async (t) => {
    const pidFile = join(dataDirectory, 'postmaster.pid');
    const first = await start(t, dataDir);
    await query(first.superuserUrl, 'create table kept as select 42 as answer');
    const { uid, gid } = await stat(dataDirectory);
    process.kill(await serverPid(dataDirectory), 'SIGKILL');

    const stranger = spawn('sleep', ['60'], { uid, gid, stdio: 'ignore' });
    t.teardown(() => kill(stranger));
    await writeFile(pidFile, (await readFile(pidFile, 'utf8')).replace(/^\d+/, String(stranger.pid)));
    const second = await start(t, dataDir);
    t.same(await query(second.superuserUrl, 'select answer from kept'), [{ answer: 42 }]);
    t.equal(stranger.exitCode, null, 'the process that has the id now is left alone');
  });
});

t.test('a package that cannot be used as it is', async (t) => {
  const home = await scratch(t);
  const native = await copyWithoutLinks(home);

  t.test(
    'root: the server runs as somebody else, who gets what it cannot reach elsewhere',
    { skip: asRoot },
    async (t) => {
      const dataDir = join(home, 'project', '.data');
      await chmod(home, 0o700);
      await chmod(join(native, 'bin'), 0o700);
      t.teardown(() => Promise.all([home, join(native, 'bin')].map((path) => chmod(path, 0o755))));
      const lines: string[] = [];
      const server = await start(t, dataDir, { binaries: native, log: (line) => lines.push(line) });
      const [{ directory } = { directory: '' }] = await query<{ directory: string }>(
        server.superuserUrl,
        "select current_setting('data_directory') as directory",
      );
      t.teardown(async () => {
        await rm(dirname(directory), { recursive: true, force: true });
        await rmdir(dirname(dirname(directory))).catch(silent);
      });
      t.match(directory, /^\/var\/lib\/customer-permissions\/[0-9a-f]{12}\/postgres$/);
      t.not((await stat(directory)).uid, 0);
      t.ok(
        lines.some((line) => line.includes(dirname(directory)) && line.includes(`${dataDir} is closed`)),
        'the log says where the data is',
      );
      await server.stop();
      const again = await start(t, dataDir, { binaries: native });
      t.equal(again.superuserUrl, server.superuserUrl, 'and the next start finds it there');
    },
  );

  t.test(
    'root: a cluster of another user is run as that user, and stays usable for it',
    { skip: asRoot },
    async (t) => {
      const dataDir = await scratch(t);
      await chown(dataDir, nobody.uid, nobody.gid);
      // The package is root's and lacks its links: nobody can run only a copy.
      if (!(await canReach(import.meta.dirname, nobody))) return t.pass('the checkout is closed to other users');
      const first = startInChild(t, dataDir, { ...nobody, binaries: native });
      const { superuserUrl } = await first.started;
      t.ok(await query(superuserUrl, 'select 1'), 'without root, and without links that could be made');
      await end(first.child);

      const server = await start(t, dataDir);
      t.equal((await stat(join(dataDir, 'postgres', 'postmaster.pid'))).uid, nobody.uid);
      await server.stop();
      const second = startInChild(t, dataDir, { ...nobody, binaries: native });
      t.match(await second.started, { owned: true });
    },
  );

  t.test('links that the install script did not make are made in place', async (t) => {
    const run = () => spawnSync(join(native, 'bin', 'initdb'), ['--version'], { encoding: 'utf8' });
    t.match(run().stderr, /shared libraries/, 'without them nothing runs');
    t.equal(await prepareBinaries(native, home, undefined, silent), native);
    t.match(run().stdout, /PostgreSQL/);
  });
});

t.test('a platform without a package is told in one sentence', (t) => {
  t.throws(() => locateBinaries('sunos', 'x64'), { message: /^There is no .* for sunos-x64 .* DATABASE_URL [^.]*\.$/ });
  t.end();
});

t.test('as root, the account postgres is taken, else nobody', { skip: asRoot }, async (t) => {
  const passwd = join(await scratch(t), 'passwd');
  const lines = ['root:x:0:0::/root:/bin/sh', 'nobody:x:65534:65533::/:/bin/false'];
  await writeFile(passwd, lines.join('\n'));
  t.same(await findServerUser('/nonexistent', passwd), { uid: 65_534, gid: 65_533 });
  await writeFile(passwd, [...lines, 'postgres:x:101:104::/:/bin/false'].join('\n'));
  t.same(await findServerUser('/nonexistent', passwd), { uid: 101, gid: 104 });
  await writeFile(passwd, 'root:x:0:0::/root:/bin/sh');
  await t.rejects(findServerUser('/nonexistent', passwd), { message: /DATABASE_URL/ });
});

t.test('a process is known by more than its id', { skip: process.platform !== 'linux' }, async (t) => {
  t.match(identify(process.pid), /^\d+-\d+$/, 'by its start time, as ids come again');
  // The shell's child ends while the shell, become another program, never asks for it.
  const shell = spawn('sh', ['-c', 'sleep 0.1 & echo $!; exec sleep 60'], { stdio: ['ignore', 'pipe', 'ignore'] });
  t.teardown(() => kill(shell));
  const [pid] = await once(shell.stdout, 'data');
  t.ok(await isGone(Number(pid)), 'a zombie does not count as running');
  t.ok(await stat(`/proc/${Number(pid)}`), 'although it is there');
});

t.test('a lock', async (t) => {
  const path = join(await scratch(t), 'lock');
  const { pid: dead } = spawnSync('true');

  t.test('of a dead process is broken once, and then held by one at a time', async (t) => {
    for (const identity of [`${dead}-1`, `${process.pid}-1`]) {
      await writeFile(path, `${identity} b1946ac9`);
      let inside = 0;
      let most = 0;
      await Promise.all(
        Array.from({ length: 8 }, () =>
          withProcessLock(path, 10_000, async () => {
            most = Math.max(most, ++inside);
            await setTimeout(1);
            inside--;
          }),
        ),
      );
      t.equal(most, 1, identity);
    }
    t.same(await readdir(dirname(path)), [], 'and nothing is left of it');
  });

  t.test('taken since its dead holder was seen is not broken', async (t) => {
    const path = join(await scratch(t), 'lock');
    const taken = `${identify(process.pid)} 5e0f6a11`;
    await writeFile(path, taken);
    await breakLock(path, `${dead}-1 b1946ac9`);
    t.equal(await readFile(path, 'utf8'), taken);
  });

  t.test('of a living process is respected', async (t) => {
    await writeFile(path, `${identify(process.pid)} b1946ac9`);
    await t.rejects(
      withProcessLock(path, 50, async () => t.fail('entered')),
      { message: /is held by another process/ },
    );
  });
});
