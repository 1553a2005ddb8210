import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import t from 'tap';
import { findProgram } from '../harness/programs.js';
import { startService } from '../harness/service.js';
import { createTestDatabase } from './helpers/database.js';

const prlimit = findProgram('prlimit');
const skip = prlimit === undefined && 'prlimit is not installed';
const SPARE = 10;
/** Longer than anything in the service that looks at regular times. */
const EXHAUSTED_MS = 2500;

t.test('a service that may open no more files goes on when it may again', { skip }, async (t) => {
  const database = await createTestDatabase(t);
  const workDir = await mkdtemp(join(tmpdir(), 'customer-permissions-descriptors-'));
  t.teardown(() => rm(workDir, { recursive: true, force: true }));
  const service = await startService({ workDir, databaseUrl: database.appUrl });
  t.teardown(service.stop);
  const { pid } = service.process;
  const open = () => readdirSync(`/proc/${pid}/fd`).length;
  const most = open() + SPARE;
  execFileSync(prlimit ?? '', ['--pid', String(pid), `--nofile=${most}`]);
  const port = Number(new URL(service.url).port);
  const sockets = new Set(Array.from({ length: 3 * SPARE }, () => connect(port, '127.0.0.1').on('error', () => {})));
  const refill = setInterval(() => {
    for (const socket of sockets) if (socket.destroyed) socket.connect(port, '127.0.0.1');
  }, 50);
  let highest = 0;
  for (const end = Date.now() + EXHAUSTED_MS; Date.now() < end && !service.process.hasEnded(); await setTimeout(50)) {
    highest = Math.max(highest, open());
  }
  clearInterval(refill);
  t.ok(highest >= most - 1, `${highest} of ${most} were open`);
  for (const socket of sockets) socket.destroy();
  let status: number | undefined;
  for (const deadline = Date.now() + 20_000; status !== 200 && Date.now() < deadline; await setTimeout(50)) {
    status = await fetch(`${service.url}/readyz`).then(
      (answer) => answer.status,
      () => undefined,
    );
  }
  t.equal(status, 200);
  t.equal(service.process.hasEnded(), false);
});
