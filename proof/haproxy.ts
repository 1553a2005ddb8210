import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { freePort, type RunningProcess, spawnProgram } from '../harness/processes.js';
import { findProgram, serverUser } from '../harness/programs.js';

/**
 * Before instances of the service: as docs/operations.md has it, with shorter intervals. Without checks: what is not to be
 * done. It does not try again either: a restart may be over before HAProxy gives up.
 */
export function beforeInstances(instances: readonly number[], checked: boolean): string {
  const servers = (options: string) =>
    instances.map((port, n) => `  server instance${n + 1} 127.0.0.1:${port}${options}`).join('\n');
  if (!checked)
    return `  mode http\n  default_backend unchecked\n\nbackend unchecked\n  mode http\n  retries 0\n${servers('')}\n`;
  return `  mode http
  use_backend unchecked if { nbsrv(instances) eq 0 }
  default_backend instances

backend instances
  mode http
  balance leastconn
  option httpchk GET /readyz
  http-check expect status 200
  option redispatch 1
  retries 2
  http-error status 503 content-type application/json hdr Retry-After 1 string '{}'
  default-server check inter 250ms fall 1 rise 1
${servers('')}

backend unchecked
  mode http
  balance roundrobin
  option redispatch 1
  retries 2
  http-error status 503 content-type application/json hdr Retry-After 1 string '{}'
${servers('')}
`;
}

/** Before PostgreSQL servers that Patroni looks after: connections go to the primary, those to another server are cut. */
export function beforePrimary(members: readonly { port: number; restPort: number }[]): string {
  const servers = members.map(
    ({ port, restPort }, n) => `  server member${n + 1} 127.0.0.1:${port} check port ${restPort}`,
  );
  return `  mode tcp
  default_backend primary

backend primary
  mode tcp
  option httpchk GET /primary
  http-check expect status 200
  default-server inter 500ms fall 2 rise 1 on-marked-down shutdown-sessions
${servers.join('\n')}
`;
}

/** @param rest of the frontend, and the backends */
export async function startHaproxy(
  workDir: string,
  name: string,
  rest: string,
): Promise<{ port: number; process: RunningProcess }> {
  const port = await freePort();
  const file = join(workDir, `${name}.cfg`);
  await writeFile(
    file,
    `global
  maxconn 1000

defaults
  timeout connect 1s
  timeout client 60s
  timeout server 60s
  timeout check 2s

frontend all
  bind 127.0.0.1:${port}
${rest}`,
  );
  const process = spawnProgram(findProgram('haproxy') ?? 'haproxy', {
    args: ['-db', '-f', file],
    logFile: join(workDir, `${name}.log`),
    user: await serverUser(),
  });
  for (const deadline = Date.now() + 10_000; ; await setTimeout(20)) {
    if (process.hasEnded() || Date.now() > deadline) throw new Error(`HAProxy does not start: ${file}`);
    const probe = connect(port, '127.0.0.1');
    const open = await once(probe, 'connect').then(
      () => true,
      () => false,
    );
    probe.destroy();
    if (open) return { port, process };
  }
}
