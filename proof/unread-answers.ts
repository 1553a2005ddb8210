import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { HarnessDatabase } from '../harness/database.js';
import { startService } from '../harness/service.js';
import { alterBuild } from './altered-build.js';
import type { Figure, Proof } from './suite.js';
import { listTcpConnections } from './tcp-connections.js';

const CLIENTS = 50;
/** Public, and more than a socket holds; few, as the service makes each anew and has written the last of them soon. */
const ASKED = 'GET /docs/json HTTP/1.1\r\nHost: service\r\n\r\n'.repeat(12);
/** Twice the service's 45 s without a byte, as Node may let them pass once more, and what 600 answers take to make. */
const CUT_WITHIN_SECONDS = 120;
const OPENED_SECONDS = 3;
/** As the system sees the service's side: who does not read does not see either that he was cut. */
const countEstablished = (port: number) =>
  listTcpConnections().filter(({ localPort, established }) => localPort === port && established).length;

/** @returns `limits-unread` */
export async function measureUnread(
  proof: Proof,
  { appUrl: databaseUrl }: HarnessDatabase,
  guarded: boolean,
): Promise<Record<string, Figure>> {
  const { workDir, token } = proof;
  const alteration = { file: 'app.js', line: 'connectionTimeout: 45_000', by: 'connectionTimeout: 0' };
  const cli = guarded ? undefined : await alterBuild(join(workDir, 'without-unread-limit'), [alteration]);
  const service = await startService({ workDir, databaseUrl, token, ...(cli !== undefined && { cli }) });
  const port = Number(new URL(service.url).port);
  const sockets: Socket[] = Array.from({ length: CLIENTS }, () => {
    const socket = connect(port, '127.0.0.1', () => socket.write(ASKED)).on('error', () => {});
    return socket.pause();
  });
  await setTimeout(OPENED_SECONDS * 1000);
  const opened = countEstablished(port);
  if (opened < CLIENTS) throw new Error(`only ${opened} of ${CLIENTS} clients are connected`);
  await setTimeout((CUT_WITHIN_SECONDS - OPENED_SECONDS) * 1000);
  const cut = CLIENTS - countEstablished(port);
  const figure = { reached: `${cut} of ${CLIENTS}`, kept: cut === CLIENTS };
  for (const socket of sockets) socket.destroy();
  await service.stop();
  return { 'limits-unread': figure };
}
