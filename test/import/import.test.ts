import { randomUUID } from 'node:crypto';
import t from 'tap';
import { EXIT } from '../../src/commands/command.js';
import { commands, run as runCommand } from '../../src/commands/index.js';
import { importFiles } from '../../src/import/import-files.js';
import { ChainVerifier } from '../../src/nouns/activity-log/chain.js';
import { CONTOSO, FABRIKAM, startService } from '../helpers/service.js';
import { customer, eligibleExports, importsInto, permission, rules, source } from './exports.js';

const service = await startService(t);
const { sql, request } = service;
const { run, runOne, logOf } = importsInto(service);

t.test('files are imported in the order they refer to each other, whatever order they come in', async (t) => {
  const { files, customerId } = eligibleExports();
  const report = await run(files);
  t.equal(report.refused, 0, JSON.stringify(report));
  t.same(
    report.files.map(({ kind, created }) => [kind, created]),
    [
      ['customers', 1],
      ['subscriptions', 1],
      ['entitlements', 1],
      ['users', 1],
      ['role-assignments', 1],
    ],
  );
  const answer = await request('GET', `${permission(customerId)}/eligibility`);
  t.match(answer, { status: 200, body: { eligible: true } }, answer.text);
});

t.test(
  'each row that is new or changed is logged, in a whole chain; a second run changes and logs nothing',
  async (t) => {
    const { files, customerId, account } = eligibleExports();
    await run(files);
    const first = await logOf(customerId);
    t.same(
      first.map((row) => [row.operation_type, row.resource_type]),
      [
        ['add_customer', 'customer'],
        ['update_subscription', 'subscription'],
        ['update_subscription', 'azure_entitlement'],
        ['create_customer_user', 'customer_user'],
        ['create_role_assignment', 'role_assignment'],
      ],
    );
    t.match(first[0], { actor_type: 'application', application_id: 'customer-permissions import' });

    const again = await run(files);
    t.same(
      again.files.map(({ created, changed, unchanged }) => ({ created, changed, unchanged })),
      again.files.map(() => ({ created: 0, changed: 0, unchanged: 1 })),
    );
    t.equal((await logOf(customerId)).length, first.length);

    const renamed = await runOne({ items: [{ ...account, displayName: 'Olga Neu' }] });
    t.match(renamed, { changed: 1, created: 0 });
    const log = await logOf(customerId);
    t.match(log.at(-1), {
      operation_type: 'update_customer_user',
      old_value: '{"DisplayName":"Olga"}',
      new_value: '{"DisplayName":"Olga Neu"}',
    });
    const verifier = new ChainVerifier();
    for (const row of log) verifier.push(row as never);
    const [head] = await sql('select log_seq, log_head from customers where customer_id = $1', [customerId]);
    t.equal(verifier.finish(head as never), undefined);
  },
);

t.test(
  'a resource comes alone, in an array, in a collection, with a byte order mark, as UTF-16, in any case',
  async (t) => {
    const bom = (text: string) => Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), Buffer.from(text)]);
    const utf16 = (text: string) => Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(text, 'utf16le')]);
    const pascal = () => {
      const { id, companyProfile } = customer();
      const { domain, companyName } = companyProfile;
      return {
        Id: id,
        CompanyProfile: { Domain: domain, CompanyName: companyName },
        RelationshipToPartner: 'Reseller',
      };
    };
    for (const content of [
      customer(),
      [customer()],
      { items: [customer()] },
      { value: [customer()] },
      bom(JSON.stringify(customer())),
      utf16(JSON.stringify([customer()])),
      [pascal()],
    ]) {
      t.match(await runOne(content), { created: 1, refused: [] });
    }
  },
);

t.test('a file with a bad row is not imported at all, and every bad row is named with place and reason', async (t) => {
  const good = [customer(), customer(), customer()];
  const other = customer();
  const report = await run({
    'bad.json': {
      items: [
        good[0],
        customer({ companyProfile: { companyName: 'No domain' } }),
        good[1],
        customer({ billingProfile: { defaultAddress: { country: 'Germany' } } }),
        { id: randomUUID(), userPrincipalName: 'a@b.example' },
        'text',
        customer({ companyProfile: { domain: good[0]?.companyProfile.domain, companyName: 'Twice' } }),
        customer({ id: FABRIKAM }),
        good[2],
      ],
    },
    'good.json': [other],
  });
  t.equal(report.refused, 6);
  const [bad, fine] = report.files;
  t.same(bad?.refused.map(({ index, pointer }) => [index, pointer]).sort(), [
    [1, '/items/1/companyProfile'],
    [3, '/items/3/billingProfile/defaultAddress/country'],
    [4, '/items/4'],
    [5, '/items/5'],
    [6, '/items/6/companyProfile/domain'],
    [7, '/items/7/id'],
  ]);
  t.match(bad?.refused.map(({ reason }) => reason).join(' '), /is one of users, in a file of customers/);
  t.match(bad, { created: 0, changed: 0 });
  const ids = [...good, other].map(({ id }) => id);
  t.same(await sql('select customer_id from customers where customer_id = any($1)', [ids]), [
    { customer_id: other.id },
  ]);
  t.match(fine, { created: 1 });
});

t.test('a row refused behind rows that were written takes them away again', async (t) => {
  const many = Array.from({ length: 1200 }, () => customer());
  const report = await runOne([...many, customer({ relationshipToPartner: 7 })]);
  t.match(report, { rows: 1201, refused: [{ index: 1200, pointer: '/1200/relationshipToPartner' }] });
  t.same(await sql('select 1 from customers where customer_id = any($1)', [many.map(({ id }) => id)]), []);
  t.match(await runOne([...many, ...many]), { created: 1200, unchanged: 1200 }, 'repeated rows are one');
  const [first] = many;
  const twice = await runOne([first, { ...first, relationshipToPartner: 'none' }]);
  t.match(twice.refused, [{ index: 1, reason: /twice, with different content/ }]);
});

t.test('a file that cannot be read is refused and the others are imported', async (t) => {
  const { files } = await run({
    'a.json': '[{"id":',
    'b.json': 'name;id',
    'c.json': '[]',
    'd.json': [{ id: randomUUID(), hello: true }],
    'e.json': `[${JSON.stringify(customer())},{"id":"x","id":"y","companyProfile":{}}]`,
    'f.json': [customer()],
  });
  const byName = new Map(files.map((file) => [file.file, file]));
  t.match(byName.get('a.json')?.refused, [{ reason: /ends in the middle/ }]);
  t.match(byName.get('b.json')?.refused, [{ reason: /not JSON/ }]);
  t.match(byName.get('c.json')?.refused, [{ reason: /nothing that can be imported/ }]);
  t.match(byName.get('d.json')?.refused, [{ reason: /nothing that can be imported/ }]);
  t.match(byName.get('e.json')?.refused, [{ index: 1, reason: /twice/ }]);
  t.match(byName.get('f.json'), { created: 1, refused: [] });
});

t.test('what names no customer needs one, and what names an unknown one is refused', async (t) => {
  const { files, customerId, azure, scope, assignment } = eligibleExports();
  await run(files);
  const account = { id: randomUUID(), userPrincipalName: 'graph@example.example', accountEnabled: true };
  t.match((await runOne([account])).refused, [{ reason: /name it by --customer/ }]);
  t.match(await runOne([account], customerId), { created: 1 });
  t.match((await runOne([{ ...account, id: randomUUID() }], customerId)).refused, [
    { pointer: '/0/userPrincipalName' },
  ]);
  t.match((await runOne([account], randomUUID())).refused, [{ reason: /is not known: import it first/ }]);
  const elsewhere = scope.replace(azure, randomUUID());
  const foreign = { ...assignment, name: randomUUID(), scope: elsewhere };
  t.match((await runOne([foreign])).refused, [{ reason: /The Azure subscription .* is not known/ }]);
  t.match(
    (await runOne([assignment], undefined, FABRIKAM)).refused,
    [{ reason: /is not known/ }],
    "a partner sees nothing of another's",
  );
  t.match((await runOne([{ id: randomUUID(), status: 'active', subscriptionId: randomUUID() }], customerId)).refused, [
    { index: 0 },
  ]);
});

t.test('a file that is one page of several says so', async (t) => {
  const { notes } = await runOne({ value: [customer()], nextLink: 'https://example.com/next' });
  t.match(notes, [/further pages/]);
});

t.test('an organization profile makes the partner, and a set of files names its own', async (t) => {
  const partnerId = randomUUID();
  const profile = {
    id: partnerId,
    tenantId: partnerId,
    companyName: 'Third',
    domain: 'Third.example',
    defaultAddress: { country: 'fr' },
  };
  const wire = customer();
  const sources = [source('customers.json', [wire]), source('organization.json', profile)];
  const { files, refused } = await importFiles(service.db, sources, { rules });
  t.equal(refused, 0, JSON.stringify(files));
  t.match(await sql('select domain, country from partners where partner_id = $1', [partnerId]), [
    { domain: 'third.example', country: 'FR' },
  ]);
  t.match(await sql('select partner_id, country from customers where customer_id = $1', [wire.id]), [
    { partner_id: partnerId, country: 'FR' },
  ]);
  await t.rejects(importFiles(service.db, [source('c.json', [customer()])], { rules }), /several partners/);
  const tenant = { ...profile, id: wire.id, tenantId: wire.id };
  await t.rejects(importFiles(service.db, [source('o.json', tenant)], { rules }), /is a customer here/);
  const unknown = await runOne([customer()], undefined, randomUUID());
  t.match(unknown.refused, [{ reason: /import its organization profile first/ }]);
});

t.test('the command reports counts and refused rows, and its exit code tells of refusals', async (t) => {
  const dir = t.testdir({
    'good.json': JSON.stringify([customer()]),
    'bad.json': JSON.stringify({ items: [customer(), customer({ companyProfile: {} })] }),
  });
  const call = async (...args: string[]) => {
    let [stdout, stderr] = ['', ''];
    const code = await runCommand({
      argv: ['import', '--database-url', service.urls.app, '--data-dir', dir, ...args],
      environment: {},
      stdout: { write: (text) => (stdout += text) },
      stderr: { write: (text) => (stderr += text) },
      commands,
    });
    return { code, stdout, stderr };
  };
  const good = await call(`${dir}/good.json`, '--partner', CONTOSO);
  t.match(good, { code: EXIT.done, stdout: /good\.json \(customers\): 1 rows: 1 created/, stderr: '' });
  const bad = await call(`${dir}/good.json`, `${dir}/bad.json`, '--partner', CONTOSO);
  t.match(bad, {
    code: EXIT.negative,
    stdout: /bad\.json \(customers\): 2 rows, 1 refused: nothing of this file was imported/,
    stderr: /bad\.json: row 1, \/items\/1\/companyProfile: /,
  });
  t.match(await call(`${dir}/missing.json`, '--partner', CONTOSO), { code: EXIT.negative, stderr: /no such file/ });
  t.match(await call(`${dir}/good.json`, '--customer', 'x'), { code: EXIT.usage, stderr: /--customer/ });
  t.match(await call(), { code: EXIT.usage, stderr: /Usage: / });
});
