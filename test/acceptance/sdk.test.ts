import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import openapiTS, { astToString } from 'openapi-typescript';
import t from 'tap';
import ts from 'typescript';
import { openapiDocument } from '../../src/openapi-document.js';
import { CONTOSO, startService } from '../helpers/service.js';

const root = fileURLToPath(new URL('../../../', import.meta.url));

/** The story as a consumer of the generated types writes it; a wrong name or type in it does not compile. */
const STORY = `
import createClient from 'openapi-fetch';
import type { components, paths } from './api.js';

export type Permission = components['schemas']['PurchasePermission'];

export async function story(baseUrl: string, token: string, customer: string, partner: string) {
  const client = createClient<paths>({ baseUrl, headers: { Authorization: \`Bearer \${token}\` } });
  const params = { path: { customer, resource: 'AzureReservedInstances' as const } };
  const eligibility = await client.GET('/v1/customers/{customer}/purchasepermissions/{resource}/eligibility', { params });
  const on = await client.PUT('/v1/customers/{customer}/purchasepermissions/{resource}', {
    params: { ...params, header: {} }, body: { state: 'on' },
  });
  const stale = await client.PUT('/v1/customers/{customer}/purchasepermissions/{resource}', {
    params: { ...params, header: { 'if-match': '"0"' } }, body: { state: 'off' },
  });
  const policies = await client.GET('/v1/SelfServePolicy', { params: { query: { entity_id: customer } } });
  const [policy] = policies.data?.items ?? [];
  const both = await client.PUT('/v1/SelfServePolicy/{id}', {
    params: { path: { id: \`\${partner}_\${customer}\` }, header: {} },
    body: {
      selfServeEntity: { selfServeEntityType: 'customer', tenantID: customer },
      grantor: { grantorType: 'billToPartner', tenantID: partner },
      permissions: [
        { resource: 'AzureReservedInstances', action: 'Purchase' },
        { resource: 'AzureSavingsPlan', action: 'Purchase' },
      ],
      attributes: { etag: policy?.attributes.etag ?? '' },
    },
  });
  const overview = await client.GET('/v1/purchasepermissions', { params: { query: { state: 'on', effective: true } } });
  const customers = await client.GET('/v1/customers', { params: { query: { size: 10 } } });
  const subscriptions = await client.GET('/v1/customers/{customer}/subscriptions', { params: { path: { customer } } });
  const log = await client.GET('/v1/activitylog', { params: { query: { customerId: customer } } });
  const off = await client.DELETE('/v1/SelfServePolicy/{id}', {
    params: { path: { id: \`\${partner}_\${customer}\` }, header: {} },
  });
  const permission: Permission | undefined = on.data;
  return {
    eligible: eligibility.data?.eligible,
    permission,
    stale: { status: stale.response.status, code: stale.error && 'code' in stale.error ? stale.error.code : undefined },
    permissions: both.data?.permissions.length,
    overview: overview.data?.items.map((item) => item.resource),
    customers: customers.data?.items.length,
    offers: subscriptions.data?.items.map((item) => item.offerName),
    actions: typeof log.data === 'object' ? log.data.items.map((entry) => entry.action) : undefined,
    off: off.response.status,
  };
}
`;

t.test('a client generated from the OpenAPI description compiles and tells the whole story', async (t) => {
  // Below the project, where the client finds its packages.
  const dir = await mkdtemp(join(root, 'dist', 'client-'));
  t.teardown(() => rm(dir, { recursive: true }));
  const document = JSON.stringify(await openapiDocument());
  t.equal(
    JSON.stringify(JSON.parse(await readFile(join(root, 'openapi/openapi.json'), 'utf8'))),
    document,
    'the committed description is the generated one',
  );
  await writeFile(join(dir, 'api.d.ts'), astToString(await openapiTS(document)));
  await writeFile(join(dir, 'story.ts'), STORY);
  await writeFile(join(dir, 'package.json'), '{"type":"module"}');
  const program = ts.createProgram([join(dir, 'story.ts')], {
    module: ts.ModuleKind.NodeNext,
    target: ts.ScriptTarget.ES2022,
    strict: true,
    skipLibCheck: true,
    types: ['node'],
    typeRoots: [join(root, 'node_modules/@types')],
  });
  const faults = [...ts.getPreEmitDiagnostics(program), ...program.emit().diagnostics];
  t.same(
    faults.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, ' ')),
    [],
    'it compiles',
  );

  const service = await startService(t);
  const { customerId } = await service.newCustomer();
  const { story } = await import(pathToFileURL(join(dir, 'story.js')).href);
  const told = await story(service.url, service.tokens.admin, customerId, CONTOSO);
  t.match(told, {
    eligible: true,
    permission: { state: 'on', effective: true, version: 1 },
    stale: { status: 412, code: '990019' },
    permissions: 2,
    overview: ['AzureReservedInstances', 'AzureSavingsPlan'],
    customers: 1,
    offers: ['Azure plan'],
    actions: ['Create Customer Purchase Permissions', 'Create Customer Purchase Permissions'],
    off: 204,
  });
});
