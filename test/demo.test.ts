import { fileURLToPath } from 'node:url';
import t from 'tap';
import { loadDemo } from '../src/import/demo.js';
import { startService } from './helpers/service.js';

const demoDir = fileURLToPath(new URL('../../demo/', import.meta.url));
const rules = { purchaserRoles: ['owner'] as const };
const service = await startService(t);
const { request, tokens, sql } = service;

interface DemoCustomer {
  name: string;
  id: string;
  token?: string;
  eligible: boolean;
  /** Checks that do not pass, and what their evidence has to speak of. */
  checks: Readonly<Record<string, RegExp>>;
}

const shared = '2e426fd9-67e7-4e41-a0e9-5161fe50b3df';
const eligible = (name: string, id: string, checks: DemoCustomer['checks'] = {}, token = tokens.admin) => ({
  name,
  id,
  token,
  eligible: true,
  checks,
});
const refused = (name: string, id: string, checks: DemoCustomer['checks'], token = tokens.admin) => ({
  name,
  id,
  token,
  eligible: false,
  checks,
});

/** The table of demo/README.md. */
const customers: readonly DemoCustomer[] = [
  eligible('Harbor Bakery', '0431a72c-7d8a-4393-b25e-ef63f5efb415'),
  eligible('Maple Clinic', '1c3552fd-8ea6-4dbc-b3d4-7b0c6ad153e5'),
  refused('Lantern Books', '71498dae-624f-4b9f-b9d6-5fe74126d539', {
    azure_subscription: /state Deleted.*|Add an active/,
    owner: /state Deleted/,
  }),
  refused('Pine Logistics', '443e2ab4-e56e-446b-9400-3f851d59ac1b', {
    subscription: /is suspended/,
    azure_subscription: /is suspended/,
    owner: /is suspended/,
  }),
  eligible('Silver Studio', 'cb7cff2e-679b-42db-90eb-3134f1dc939a', { azure_subscription: /PastDue/ }),
  refused('Twin Rivers of contoso', shared, {
    azure_subscription: /not bought through this partner/,
    owner: /not bought through this partner/,
  }),
  eligible('Twin Rivers of fabrikam', shared, {}, tokens.fabrikamAdmin),
  refused('Civic Records Office', 'c85bb84a-3465-4852-b455-e44bc265c84f', {
    subscription: /MS-AZR-USGOV-0145P/,
    azure_subscription: /neither an Azure plan nor/,
    owner: /neither an Azure plan nor/,
  }),
  eligible('Palm Labs', '232c737d-1369-497f-83ec-e8b81227f882', {
    market: /not sold in LC/,
    trial: /is a trial/,
    dev_test: /CSPDEVTEST/,
  }),
  refused('Orchard Foods', '87218c50-8863-43d5-bcb9-fd145385a14c', {
    subscription: /transition or billing transfer/,
    azure_subscription: /transition or billing transfer/,
    owner: /transition or billing transfer/,
  }),
  refused('Quiet Harbor Hotel', 'e2df94b8-7642-4ea4-ae74-1f6be0c21126', { owner: /group of the partner's directory/ }),
  refused('River Mills', 'e256860d-c420-46b1-a9a7-591cd338925e', { owner: /below the Azure subscription/ }),
  refused('Willow Travel', '1bfd7e65-cefe-4c20-b573-12190cba521d', { owner: /the account is disabled/ }),
  refused('Granite Works', 'feb7c52a-4640-4127-ab18-0ac776681b46', {
    owner: /has to be activated first/,
    other_purchasers: /bo@.*Reservation Purchaser/,
  }),
  eligible('Summit Media', 'fdc8ec14-0655-4615-b971-bf274414c19f'),
  eligible('Dawn Energy', '87caa7b7-b5b6-4d5d-84d0-2491feae258d', { propagation: /still propagating/ }),
  refused('Stone Bank', 'd048daf2-d93c-4642-889b-6d5882719ba9', {
    owner: /No reservations/,
    deny_assignment: /No reservations/,
  }),
  refused('Amber School', '26f542e0-3462-4041-8188-3a536f5b61d2', { owner: /no member of the group is known/ }),
  eligible('Blue Lake Farm', '86ca87bf-5ea2-4a9f-9f44-fd944251fdd7', {}, tokens.fabrikamAdmin),
];

// The helper has made both partners; a partner without an MPN id is one that was not loaded whole.
await sql('update partners set mpn_id = null');

t.test('two processes load the demo at once, and it is there once', async (t) => {
  const lines: string[] = [];
  const load = () => loadDemo(service.db, demoDir, rules, (line) => lines.push(line));
  await Promise.all([load(), load()]);
  t.same(await sql('select count(*)::int as n from customers'), [{ n: customers.length }]);
  const [before] = await sql<{ n: number }>('select count(*)::int as n from activity_log');
  t.same(await sql('select count(*)::int as n from activity_log where seq = 1'), [{ n: customers.length }]);
  lines.length = 0;
  await load();
  t.same(lines, [], 'a later start loads nothing');
  t.same(await sql('select count(*)::int as n from activity_log'), [before]);
  t.match(await sql('select admin_agents_group_id, mpn_id from partners order by partner_id'), [
    { admin_agents_group_id: 'aaaaaaaa-0000-4000-8000-000000000001', mpn_id: '1234567' },
    { admin_agents_group_id: 'aaaaaaaa-0000-4000-8000-000000000002', mpn_id: '7654321' },
  ]);
});

t.test('each demo customer explains its eligibility as the table says', async (t) => {
  for (const { name, id, token, eligible, checks } of customers) {
    const path = `/v1/customers/${id}/purchasepermissions/AzureReservedInstances/eligibility`;
    const { status, body } = await request('GET', path, token === undefined ? {} : { token });
    t.match({ status, eligible: body.eligible }, { status: 200, eligible }, name);
    const notPassed = body.checks.filter((check: { result: string }) => check.result !== 'pass');
    t.same(
      notPassed.map((check: { name: string }) => check.name).sort(),
      Object.keys(checks).sort(),
      `${name}: the checks that do not pass`,
    );
    for (const check of notPassed) t.match(check.evidence, checks[check.name] ?? /^$/, `${name}: ${check.name}`);
    const put = await request('PUT', path.replace('/eligibility', ''), {
      ...(token !== undefined && { token }),
      body: { state: 'on' },
    });
    t.equal(put.status, eligible ? 201 : 403, `${name}: the switch`);
  }
});

t.test('a role that ends by itself shows when', async (t) => {
  const path = '/v1/customers/fdc8ec14-0655-4615-b971-bf274414c19f/purchasepermissions/AzureReservedInstances';
  const [row] = await sql(
    `select effective_until from purchase_permissions where customer_id = 'fdc8ec14-0655-4615-b971-bf274414c19f'`,
  );
  t.same(row, { effective_until: new Date('2099-12-31T00:00:00Z') });
  t.match(await request('GET', path), { status: 200, body: { effective: true } });
});

t.test('a user of a demo customer signs in', async (t) => {
  const token = await tokens.customerUser(
    '1c3552fd-8ea6-4dbc-b3d4-7b0c6ad153e5',
    'mia@mapleclinicdemo.onmicrosoft.com',
  );
  const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
  t.equal(claims.groups.length, 2, 'with its groups, nested ones included');
});
