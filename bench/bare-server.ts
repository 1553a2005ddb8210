import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import Fastify from 'fastify';
import { sharedSchemas } from '../src/http/schemas.js';
import { PurchasePermission } from '../src/nouns/purchase-permissions/schemas.js';
import { toPurchasePermission } from '../src/nouns/purchase-permissions/view.js';
import { PERMISSION_ROUTE, permissionSchema } from './harness/permission-route.js';

/** The reference: the route's parameters and answer, and nothing else: no database, token, id or log line. */
const app = Fastify().withTypeProvider<TypeBoxTypeProvider>();
for (const schema of [...sharedSchemas, PurchasePermission]) app.addSchema(schema);

const row = {
  partner_id: '634f6379-ad54-449b-9821-564f737158ab',
  customer_id: '00000000-0000-4000-8000-000000000001',
  resource: 'AzureReservedInstances' as const,
  state: 'on' as const,
  effective: true,
  effective_until: null,
  ineligibility_reasons: [],
  version: 1,
  changed_on: new Date(),
  changed_by: 'ada.admin@contosopartner.onmicrosoft.com',
};
const permission = toPurchasePermission(row.customer_id, row.resource, row, row.changed_on);

app.get(PERMISSION_ROUTE, { schema: permissionSchema }, async () => permission);
process.on('SIGTERM', () => process.exit());
await app.listen({ host: '127.0.0.1', port: Number(process.argv[2]) });
