import { createRequire } from 'node:module';
import pg from 'pg';
import { CONTOSO } from '../harness/data.js';
import type { PermissionRow } from '../src/nouns/purchase-permissions/queries.js';
import { toPurchasePermission } from '../src/nouns/purchase-permissions/view.js';
import { PERMISSION_ROUTE } from './harness/permission-route.js';

interface Express {
  get(
    path: string,
    handle: (request: { params: Record<string, string> }, response: { json(body: unknown): void }) => Promise<void>,
  ): void;
  listen(port: number, host: string): void;
}

/** A peer of the service: the same row by Express and pg, as one writes it in ten minutes. No token, id or log line. */
const [, , port, databaseUrl, peersDir] = process.argv;
const express = createRequire(`${peersDir}/`)('express') as () => Express;
const pool = new pg.Pool({ connectionString: databaseUrl, max: 10 });
const app = express();
app.get(PERMISSION_ROUTE, async ({ params }, response) => {
  const { customer = '', resource } = params;
  const { rows } = await pool.query<PermissionRow>(
    'select * from purchase_permissions where partner_id = $1 and customer_id = $2 and resource = $3',
    [CONTOSO, customer, resource],
  );
  const [row] = rows;
  if (!row) throw new Error('the customer of a benchmark is there');
  response.json(toPurchasePermission(customer, row.resource, row, new Date()));
});
process.on('SIGTERM', () => process.exit());
app.listen(Number(port), '127.0.0.1');
