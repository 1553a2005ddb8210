import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { HarnessDatabase } from '../harness/database.js';
import { startSettledService } from '../harness/service.js';
import { alterBuild } from './altered-build.js';
import type { Figure, Proof } from './suite.js';

const CLIENTS = 50;
/** Public, and so many that no socket holds them. */
const ASKED = 'GET /docs/json HTTP/1.1\r\nHost: service\r\n\r\n'.repeat(60);
/** The service's 60 s without a byte, and what a busy machine takes. */
const CUT_WITHIN_SECONDS = 65;

/** @returns `limits-unread` */
export async function measureUnread(
  proof: Proof,
  { appUrl: databaseUrl }: HarnessDatabase,
  guarded: boolean,
): Promise<Record<string, Figure>> {
  const { workDir, token } = proof;
  const alteration = { file: 'app.js', line: 'connectionTimeout: 60_000', by: 'connectionTimeout: 0' };
  const cli = guarded ? undefined : await alterBuild(join(workDir, 'without-unread-limit'), [alteration]);
  const service = await startSettledService({ workDir, databaseUrl, token, ...(cli !== undefined && { cli }) });
  const port = Number(new URL(service.url).port);
  let cut = 0;
  const sockets: Socket[] = Array.from({ length: CLIENTS }, () => {
    const socket = connect(port, '127.0.0.1', () => socket.write(ASKED));
    // A reset shows without reading.
    socket.on('error', () => {});
    socket.on('close', () => {
      cut += 1;
    });
    return socket.pause();
  });
  await setTimeout(CUT_WITHIN_SECONDS * 1000);
  const figure = { reached: `${cut} of ${CLIENTS}`, kept: cut === CLIENTS };
  for (const socket of sockets) socket.destroy();
  await service.stop();
  return { 'limits-unread': figure };
}
