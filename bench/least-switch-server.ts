import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { setFlagsFromString } from 'node:v8';
import Fastify, { type FastifyReply, type FastifyRequest } from 'fastify';
import { createRemoteJWKSet } from 'jose';
import pg from 'pg';
import { readClock } from '../src/db/clock.js';
import type { Tx } from '../src/db/connect.js';
import { type LockedCustomer, lockCustomer } from '../src/db/customer-lock.js';
import { merge, type Rows, type Statement, type StatementCall, valuesOf } from '../src/db/sharing/merge.js';
import { uuidv7 } from '../src/lib/uuid.js';
import { insertLogEntries, updateLogHead } from '../src/nouns/activity-log/queries.js';
import { loadFacts } from '../src/nouns/purchase-permissions/facts-queries.js';
import { BUYER_ROLE_IDS } from '../src/nouns/purchase-permissions/purchaser-roles.js';
import { listPermissionRows, upsertPermission } from '../src/nouns/purchase-permissions/queries.js';
import { insertEvent } from '../src/nouns/webhooks/outbox-queries.js';
import { insertLedgerRow } from '../src/plugins/idempotency/queries.js';
import { beginAnswer } from './harness/answered.js';
import { PERMISSION_ROUTE } from './harness/permission-route.js';
import { rememberTokens } from './harness/remembered-tokens.js';

/**
 * The least that keeps what a switch promises, for callers that share transactions: the token verified (once), the service's
 * own merged statements in the service's two flights, rows and answers with ids and hashes of their own, one log line. What
 * the decision, the entry and the answer say is always the same, and it refuses nothing: no bad input, limits, deadlines,
 * metrics, foreign locks or failures. How fast the service could be at best.
 */
const [, , port, databaseUrl, keysUrl = ''] = process.argv;
setFlagsFromString('--no-allocation-site-pretenuring');
pg.types.setTypeParser(pg.types.builtins.INT8, Number);
const verify = rememberTokens(createRemoteJWKSet(new URL(keysUrl)));

const RESOURCE = 'AzureReservedInstances' as const;
const MOST = 64;
const LANES = 2;
/** As long as the service's. */
const REPLY = randomBytes(700);
const CHECKS = JSON.stringify({
  [RESOURCE]: Array.from({ length: 10 }, () => ({ name: 'x'.repeat(15), evidence: 'x'.repeat(130) })),
});
const POLICY = JSON.stringify({ policy: 'x'.repeat(400) });

/** The statements that a query of the service issues. */
function statementsOf(issue: (tx: Tx) => unknown): Statement[] {
  const statements: Statement[] = [];
  const executeQuery = ({ statement }: StatementCall) => {
    statements.push(statement);
    return new Promise(() => {});
  };
  issue({ executeQuery } as unknown as Tx);
  return statements;
}
const statementOf = (issue: (tx: Tx) => unknown): Statement => statementsOf(issue)[0] as Statement;

const any = {} as never;
const lock = statementOf((tx) => lockCustomer(tx, '', ''));
const before = statementOf((tx) => listPermissionRows(tx, '', ''));
const clock = statementOf(readClock);
const facts = statementsOf((tx) => loadFacts(tx, '', '', []));
const upsert = statementOf((tx) => upsertPermission(tx, any));
const entry = statementOf((tx) => insertLogEntries(tx, [any]));
const head = statementOf((tx) => updateLogHead(tx, '', any));
const event = statementOf((tx) => insertEvent(tx, any));
const ledger = statementOf((tx) => insertLedgerRow(tx, any));

interface Caller {
  partnerId: string;
  customerId: string;
  on: boolean;
  requestId: string;
  resolve: (version: number) => void;
}

const pool = new pg.Pool({ connectionString: databaseUrl, max: LANES, pipeline: true } as pg.PoolConfig);
const names = new Map<string, string>();

/** Sends one statement for all calls. @returns the rows of each call */
async function send(
  client: pg.ClientBase,
  statement: Statement,
  calls: readonly Readonly<Record<string, unknown>>[],
): Promise<Rows[]> {
  if (calls.length === 0) return [];
  const run = async (text: string, values: unknown[]) => {
    const name = names.get(text) ?? `least_${names.size}`;
    names.set(text, name);
    return (await client.query({ name, text, values })).rows;
  };
  const [only] = calls;
  if (calls.length === 1 && only) return [await run(statement.compiled.sql, valuesOf(statement, only))];
  const parts = merge(statement, calls).map(async ({ merged: { compiled, deal } }) =>
    deal(await run(compiled.sql, [...compiled.parameters])),
  );
  return (await Promise.all(parts)).flat();
}

async function flight(client: pg.ClientBase, issue: () => Promise<unknown>[]): Promise<unknown[]> {
  const { stream } = (client as unknown as { connection: { stream: { cork(): void; uncork(): void } } }).connection;
  stream.cork();
  const answers = issue();
  stream.uncork();
  return Promise.all(answers);
}

async function run(batch: readonly Caller[]): Promise<void> {
  const client = await pool.connect();
  const [{ partnerId }] = batch as [Caller];
  const own = batch.map(({ customerId }) => ({ partnerId, customerId, roleIds: BUYER_ROLE_IDS }));
  const [, locked, rows, [[time]]] = (await flight(client, () => [
    client.query(`begin; set local app.partner_id = '${partnerId}'`),
    send(client, lock, own),
    send(client, before, own),
    send(client, clock, [{}]),
    ...facts.map((statement) =>
      send(
        client,
        statement,
        own.filter((_, index) => batch[index]?.on),
      ),
    ),
  ])) as [unknown, LockedCustomer[][], { version: number }[][], [[{ now: Date }]]];
  const { now } = time;
  const switched = batch.map(({ customerId, on, requestId }, index) => {
    const customer = locked[index]?.[0] as LockedCustomer;
    const version = (rows[index]?.[0]?.version ?? 0) + 1;
    const hash = createHash('sha256').update(customer.log_head).update(requestId).update(POLICY).digest();
    return { customerId, on, requestId, customer, version, hash, seq: customer.log_seq + 1 };
  });
  await flight(client, () => [
    send(
      client,
      upsert,
      switched.map(({ customerId, on, version }) => ({
        partner_id: partnerId,
        customer_id: customerId,
        resource: RESOURCE,
        state: on ? 'on' : 'off',
        effective: on,
        effective_until: null,
        ineligibility_reasons: '[]',
        version,
        changed_on: now,
        changed_by: 'admin@contoso.example',
      })),
    ),
    send(
      client,
      entry,
      switched.map(({ customerId, on, requestId, customer, hash, seq }) => ({
        partner_id: partnerId,
        customer_id: customerId,
        seq,
        entry_id: uuidv7(),
        occurred_on: now,
        action: 'Create customer purchase permissions',
        operation_type: 'create_self_serve_policy',
        operation_status: 'succeeded',
        resource_type: 'self_serve_policy',
        resource_id: customerId,
        customer_name: customer.company_name,
        actor_type: 'user',
        actor_id: partnerId,
        user_principal_name: 'admin@contoso.example',
        application_id: partnerId,
        request_id: requestId,
        correlation_id: requestId,
        old_value: POLICY,
        new_value: POLICY,
        customized_data: '[]',
        evidence: on ? CHECKS : null,
        hash_version: 1,
        previous_hash: customer.log_head,
        hash,
      })),
    ),
    send(
      client,
      head,
      switched.map(({ customerId, seq, hash }) => ({ partnerId, customerId, seq, head: hash })),
    ),
    send(
      client,
      event,
      switched.map(({ customerId, requestId }) => ({
        partnerId,
        customerId,
        eventId: uuidv7(),
        name: 'self-serve-policy-switched',
        payload: POLICY,
        correlationId: requestId,
        now,
      })),
    ),
    send(
      client,
      ledger,
      switched.map(({ on, requestId, hash }) => ({
        partner_id: partnerId,
        request_id: requestId,
        fingerprint: hash,
        status: on ? 201 : 204,
        reply: REPLY,
        expires_on: new Date(now.getTime() + 86_400_000),
      })),
    ),
    client.query('commit'),
  ]);
  client.release();
  for (const [index, { resolve }] of batch.entries()) resolve(switched[index]?.version ?? 0);
}

const waiting: Caller[] = [];
let underWay = 0;
let scheduled = false;

function sendSoon(): void {
  if (scheduled || waiting.length === 0 || underWay >= LANES) return;
  scheduled = true;
  setImmediate(() => {
    scheduled = false;
    const batch = waiting.splice(0, MOST);
    underWay++;
    void run(batch).then(() => {
      underWay--;
      sendSoon();
    });
    sendSoon();
  });
}

const change = (caller: Omit<Caller, 'resolve'>) =>
  new Promise<number>((resolve) => {
    waiting.push({ ...caller, resolve });
    sendSoon();
  });

const app = Fastify();

async function answer(request: FastifyRequest<{ Params: { customer: string } }>, reply: FastifyReply) {
  const { tid } = await verify(request.headers.authorization);
  const answered = beginAnswer(request, reply, PERMISSION_ROUTE);
  const { customer: customerId } = request.params;
  const on = request.method === 'PUT';
  const version = await change({ partnerId: String(tid), customerId, on, requestId: randomUUID() });
  answered();
  if (!on) return reply.code(204).send();
  return reply
    .code(201)
    .send({ customerId, resource: RESOURCE, action: 'Purchase', state: 'on', effective: true, version });
}

app.put(PERMISSION_ROUTE, answer);
app.delete(PERMISSION_ROUTE, answer);
app.get('/livez', async () => 'ok');
process.on('SIGTERM', () => process.exit());
await app.listen({ host: '127.0.0.1', port: Number(port) });
