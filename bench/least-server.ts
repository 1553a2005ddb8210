import { setFlagsFromString } from 'node:v8';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import Fastify from 'fastify';
import { createRemoteJWKSet } from 'jose';
import pg from 'pg';
import { sharedSchemas } from '../src/http/schemas.js';
import type { PermissionRow } from '../src/nouns/purchase-permissions/queries.js';
import { PurchasePermission } from '../src/nouns/purchase-permissions/schemas.js';
import { toPurchasePermission } from '../src/nouns/purchase-permissions/view.js';
import { beginAnswer } from './harness/answered.js';
import { PERMISSION_ROUTE, permissionSchema } from './harness/permission-route.js';
import { rememberTokens } from './harness/remembered-tokens.js';

/**
 * The least that keeps what a read of a permission promises: the token verified (once, as its answer is remembered), ids,
 * headers, one log line, row-level security, one statement for all who ask at the same time. It refuses nothing: no bad
 * input, limits, deadlines, metrics or faults of the database. How fast the service could be at best.
 */
const [, , port, databaseUrl, keysUrl = ''] = process.argv;
setFlagsFromString('--no-allocation-site-pretenuring');

const verify = rememberTokens(createRemoteJWKSet(new URL(keysUrl)));

const client = new pg.Client({ connectionString: databaseUrl, pipeline: true } as pg.ClientConfig);
await client.connect();
const { stream } = (
  client as unknown as { connection: { stream: NodeJS.WritableStream & { cork(): void; uncork(): void } } }
).connection;
const SELECT = `select p.*, c.customer_id as of_customer from customers c left join purchase_permissions p
  on p.partner_id = c.partner_id and p.customer_id = c.customer_id
  where c.partner_id = $1 and c.customer_id = any($2::uuid[]) and c.deleted_on is null`;
let waiting: { customerId: string; resolve: (row: PermissionRow | undefined) => void }[] = [];
let underWay = false;

async function send(partnerId: string): Promise<void> {
  const batch = waiting;
  waiting = [];
  stream.cork();
  const began = client.query(`begin read only; set local app.partner_id = '${partnerId}'`);
  const customerIds = batch.map(({ customerId }) => customerId);
  const selected = client.query({ name: 'select', text: SELECT, values: [partnerId, customerIds] });
  const ended = client.query('commit');
  stream.uncork();
  const { rows } = await selected;
  const found = new Map(rows.map((row) => [row.of_customer, row]));
  for (const { customerId, resolve } of batch) resolve(found.get(customerId));
  await Promise.all([began, ended]);
  underWay = false;
  sendSoon(partnerId);
}

function sendSoon(partnerId: string): void {
  if (underWay || waiting.length === 0) return;
  underWay = true;
  setImmediate(send, partnerId);
}

const find = (partnerId: string, customerId: string) =>
  new Promise<PermissionRow | undefined>((resolve) => {
    waiting.push({ customerId, resolve });
    sendSoon(partnerId);
  });

const app = Fastify().withTypeProvider<TypeBoxTypeProvider>();
for (const schema of [...sharedSchemas, PurchasePermission]) app.addSchema(schema);
app.get(PERMISSION_ROUTE, { schema: permissionSchema }, async (request, reply) => {
  const { tid } = await verify(request.headers.authorization);
  const answered = beginAnswer(request, reply, PERMISSION_ROUTE);
  const { customer } = request.params;
  const row = await find(String(tid), customer);
  if (!row) throw new Error('the customer of a benchmark is there');
  const permission = toPurchasePermission(customer, row.resource, row, new Date());
  reply.header('ETag', permission.attributes.etag);
  answered();
  return permission;
});
process.on('SIGTERM', () => process.exit());
await app.listen({ host: '127.0.0.1', port: Number(port) });
