import { chmod, chown, mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { childrenOf } from '../harness/killable-server.js';
import { freePort, type RunningProcess, spawnProgram } from '../harness/processes.js';
import { findProgram, serverUser } from '../harness/programs.js';
import { type Proxy as NetworkProxy, openProxy } from '../harness/proxy.js';

export interface Member {
  port: number;
  restPort: number;
  /** The way that the other member takes to it. */
  replication: NetworkProxy;
  /** SIGKILL to all of it, as when its machine is gone. */
  kill(): Promise<void>;
  patroni: RunningProcess;
}

/** A primary and a standby that Patroni looks after, with an etcd. */
export interface Pair {
  members: readonly [Member, Member];
  /** Of a superuser, through `port`. */
  urlThrough(port: number): string;
  /** The member that Patroni says is primary. */
  primary(): Promise<Member>;
  stop(): Promise<void>;
}

/** How soon a primary that is gone is replaced, at the latest; Patroni asks that ttl ≥ loop_wait + 2 × retry_timeout. */
const TIMES = 'ttl: 6, loop_wait: 1, retry_timeout: 2';
const PASSWORD = 'of a run';
const START_MS = 60_000;

async function statusOf(url: string): Promise<number> {
  return fetch(url, { signal: AbortSignal.timeout(1000) }).then(
    async (answer) => {
      await answer.arrayBuffer();
      return answer.status;
    },
    () => 0,
  );
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + START_MS; !(await holds()); await setTimeout(100)) {
    if (Date.now() > deadline) throw new Error(`not so after ${START_MS / 1000} s: ${what}`);
  }
}

const configOf = (
  name: string,
  binaries: string,
  member: { place: string; port: number; replicationPort: number; restPort: number; etcdPort: number },
  synchronous: boolean,
) => `scope: proof
name: ${name}
restapi: {listen: '127.0.0.1:${member.restPort}', connect_address: '127.0.0.1:${member.restPort}'}
etcd3: {host: '127.0.0.1:${member.etcdPort}'}
bootstrap:
  dcs: {${TIMES}, synchronous_mode: ${synchronous}}
  initdb: [encoding: UTF8, locale: C, no-sync]
  pg_hba: [host all all 127.0.0.1/32 scram-sha-256, host replication all 127.0.0.1/32 scram-sha-256]
postgresql:
  listen: 127.0.0.1:${member.port}
  connect_address: 127.0.0.1:${member.replicationPort}
  data_dir: ${join(member.place, 'data')}
  bin_dir: ${binaries}
  pgpass: ${join(member.place, 'pgpass')}
  authentication:
    superuser: {username: postgres, password: '${PASSWORD}'}
    replication: {username: replicator, password: '${PASSWORD}'}
  parameters: {unix_socket_directories: '${member.place}', shared_buffers: 64MB, max_connections: 50}
`;

/** @param synchronous whether a commit waits for the standby */
export async function startPair(workDir: string, name: string, synchronous: boolean): Promise<Pair> {
  const user = await serverUser();
  const place = join(workDir, name);
  const binaries = dirname(findProgram('pg_controldata') ?? '');
  const makePlace = async (path: string) => {
    await mkdir(path, { mode: 0o700 });
    if (user) await chown(path, user.uid, user.gid);
  };
  await makePlace(place);
  await chmod(place, 0o755);
  const [etcdPort, peerPort] = [await freePort(), await freePort()];
  await makePlace(join(place, 'etcd'));
  const etcd = spawnProgram(findProgram('etcd') ?? 'etcd', {
    args: [
      ...['--data-dir', join(place, 'etcd', 'data')],
      ...['--listen-client-urls', `http://127.0.0.1:${etcdPort}`],
      ...['--advertise-client-urls', `http://127.0.0.1:${etcdPort}`],
      ...['--listen-peer-urls', `http://127.0.0.1:${peerPort}`],
      ...['--initial-advertise-peer-urls', `http://127.0.0.1:${peerPort}`],
      ...['--initial-cluster', `default=http://127.0.0.1:${peerPort}`],
    ],
    logFile: join(workDir, `${name}-etcd.log`),
    user,
  });
  await until('etcd answers', async () => (await statusOf(`http://127.0.0.1:${etcdPort}/health`)) === 200);

  async function startMember(memberName: string): Promise<Member> {
    const [port, restPort] = [await freePort(), await freePort()];
    const own = join(place, memberName);
    await makePlace(own);
    const file = join(place, `${memberName}.yml`);
    const replication = await openProxy({ host: '127.0.0.1', port });
    const config = { place: own, port, replicationPort: replication.port, restPort, etcdPort };
    await writeFile(file, configOf(memberName, binaries, config, synchronous));
    const patroni = spawnProgram(findProgram('patroni') ?? 'patroni', {
      args: [file],
      environment: { LC_ALL: 'C.UTF-8' },
      logFile: join(workDir, `${name}-${memberName}.log`),
      user,
      workDir: own,
    });
    const kill = async () => {
      const postmaster = Number((await readFile(join(own, 'data', 'postmaster.pid'), 'utf8')).split('\n')[0]);
      patroni.signal('SIGKILL');
      for (const pid of [postmaster, ...childrenOf(postmaster)]) {
        try {
          process.kill(pid, 'SIGKILL');
        } catch {
          // It has ended meanwhile.
        }
      }
      await patroni.ended;
    };
    return { port, restPort, replication, kill, patroni };
  }

  const says = async ({ restPort }: Member, path: string) =>
    (await statusOf(`http://127.0.0.1:${restPort}/${path}`)) === 200;
  const first = await startMember('one');
  await until('a primary', () => says(first, 'primary'));
  const second = await startMember('two');
  await until('a standby', () => says(second, synchronous ? 'synchronous' : 'replica'));
  return {
    members: [first, second],
    urlThrough: (port) => `postgresql://postgres:${encodeURIComponent(PASSWORD)}@127.0.0.1:${port}/postgres`,
    primary: async () => ((await says(first, 'primary')) ? first : second),
    stop: async () => {
      await Promise.all([first.patroni.stop(), second.patroni.stop()]);
      await etcd.stop();
      await Promise.all([first.replication.close(), second.replication.close()]);
    },
  };
}
