import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { setFlagsFromString } from 'node:v8';
import Fastify, { type FastifyReply, type FastifyRequest } from 'fastify';
import pg from 'pg';
import { beginAnswer } from './harness/answered.js';
import { PERMISSION_ROUTE } from './harness/permission-route.js';
import type { Replay } from './harness/replay.js';

/**
 * The service's own statements of a switch, in its flights, one transaction for each request, with ids, headers and one log
 * line. It decides nothing and builds nothing but parameters: how fast a server in Node could be that shares no transactions.
 */
const [, , port, databaseUrl, file = ''] = process.argv;
setFlagsFromString('--no-allocation-site-pretenuring');
const plans = JSON.parse(await readFile(file, 'utf8')) as Replay;
const pool = new pg.Pool({ connectionString: databaseUrl, max: 10, pipeline: true } as pg.PoolConfig);
let seq = 1000;

async function run(method: string, customerId: string): Promise<void> {
  const client = await pool.connect();
  const { stream } = (client as unknown as { connection: { stream: { cork(): void; uncork(): void } } }).connection;
  const made = { customer: () => customerId, id: randomUUID, seq: () => ++seq, time: () => new Date().toISOString() };
  try {
    for (const flight of plans[method] ?? []) {
      stream.cork();
      const answers = flight.map(({ name, text, values }) =>
        values.length === 0
          ? client.query(text)
          : client.query({
              name,
              text,
              values: values.map(({ made: variable, value }) => (variable ? made[variable]() : value)),
            }),
      );
      stream.uncork();
      await Promise.all(answers);
    }
  } finally {
    client.release();
  }
}

const app = Fastify();

async function replay(request: FastifyRequest<{ Params: { customer: string } }>, reply: FastifyReply) {
  const { method } = request;
  const { customer } = request.params;
  const answered = beginAnswer(request, reply, PERMISSION_ROUTE);
  await run(method, customer);
  answered();
  return method === 'PUT' ? { customerId: customer, state: 'on', effective: true } : reply.code(204).send();
}

app.put(PERMISSION_ROUTE, replay);
app.delete(PERMISSION_ROUTE, replay);
app.get('/livez', async () => 'ok');
process.on('SIGTERM', () => process.exit());
await app.listen({ host: '127.0.0.1', port: Number(port) });
