import { randomUUID } from 'node:crypto';
import t from 'tap';
import { importFiles } from '../../../src/import/import-files.js';
import { startService } from '../../helpers/service.js';
import { source } from '../../import/exports.js';
import { logOf } from '../subscriptions/insert.js';

const service = await startService(t);
const { request, tokens } = service;
const MCA = '117a77b0-9360-443b-8795-c6dedc750cf9';
const CLOUD = '998b88de-aa99-4388-a42c-1b3517d49490';
const path = (customerId: string) => `/v1/customers/${customerId}/agreements`;
const confirmation = (over: object = {}) => ({
  primaryContact: { firstName: 'Tania', lastName: 'Carr', email: 'tania@example.com', phoneNumber: '1234567890' },
  templateId: MCA,
  dateAgreed: '2018-06-14T00:00:00.000Z',
  type: 'MicrosoftCustomerAgreement',
  ...over,
});

t.test('the metadata lists the old type by default, the one asked for, and all', async (t) => {
  const types = async (query: string) =>
    (await request('GET', `/v1/agreements${query}`)).body.items.map(
      (item: { agreementType: string; templateId: string }) => item.templateId,
    );
  t.same(await types(''), [CLOUD]);
  t.same(await types('?agreementType=MicrosoftCustomerAgreement'), [MCA]);
  t.same(await types('?AgreementType=microsoftcustomeragreement'), [MCA]);
  t.same(await types('?agreementType=*'), [CLOUD, MCA]);
  t.match(await request('GET', '/v1/agreements?agreementType=Other'), { status: 400 });
  t.match(await request('GET', '/v1/agreements', { token: tokens.appOnly }), { status: 403, body: { code: '900329' } });
});

t.test('a confirmation is kept, listed and logged, in the PascalCase of the .NET SDK too', async (t) => {
  const customer = await service.newCustomer();
  const made = await request('POST', path(customer.customerId.toUpperCase()), {
    body: {
      UserId: null,
      PrimaryContact: { FirstName: 'Tania', LastName: 'Carr', Email: 'tania@example.com', PhoneNumber: null },
      TemplateId: MCA.toUpperCase(),
      DateAgreed: '2018-06-14T00:00:00Z',
      Type: 'MicrosoftCustomerAgreement',
      AgreementLink: null,
    },
  });
  t.match(made, {
    status: 201,
    body: {
      userId: /^[0-9a-f-]{36}$/,
      primaryContact: { firstName: 'Tania', lastName: 'Carr', email: 'tania@example.com' },
      templateId: MCA,
      dateAgreed: '2018-06-14T00:00:00Z',
      type: 'MicrosoftCustomerAgreement',
      agreementLink: 'https://aka.ms/customeragreement',
    },
  });
  const ofType = `${path(customer.customerId)}?agreementType=MicrosoftCustomerAgreement`;
  t.same((await request('GET', ofType, { token: tokens.sales })).body.items, [made.body]);
  t.same((await request('GET', path(customer.customerId))).body.items, [], 'the default is the other type');
  t.match(await logOf(service, customer), [
    { action: 'Create Agreement', type: 'agreement', new: { TemplateId: MCA } },
  ]);
});

t.test('the same contact confirms once: ten at a time leave one, another contact is another one', async (t) => {
  const customer = await service.newCustomer();
  const post = (body: object) => request('POST', path(customer.customerId), { body });
  const answers = await Promise.all(Array.from({ length: 10 }, () => post(confirmation())));
  t.same(answers.map(({ status }) => status).sort(), [201, ...Array(9).fill(409)]);
  t.match(
    answers.find(({ status }) => status === 409),
    { body: { code: '600061' } },
  );
  t.match(await post(confirmation({ templateId: CLOUD, type: 'MicrosoftCloudAgreement' })), { status: 201 });
  const other = { firstName: 'Tania', lastName: 'Carr', email: 'other@example.com' };
  t.match(await post(confirmation({ primaryContact: other })), { status: 201 });
  t.equal((await request('GET', `${path(customer.customerId)}?agreementType=*`)).body.totalCount, 3);
  t.equal((await logOf(service, customer)).length, 3);
});

t.test('what is wrong is refused with what to correct, and leaves nothing', async (t) => {
  const customer = await service.newCustomer();
  const post = (body: unknown, token = tokens.admin) => request('POST', path(customer.customerId), { body, token });
  const bad = { status: 400, body: { code: '3000' } };
  t.match(await post(confirmation({ templateId: CLOUD })), bad, 'a template of the other type');
  t.match(await post(confirmation({ templateId: randomUUID() })), bad);
  t.match(await post(confirmation({ type: 'Other' })), bad);
  t.match(await post(confirmation({ primaryContact: { firstName: ' ', lastName: 'b', email: 'a@b' } })), bad);
  t.match(await post(confirmation({ primaryContact: null })), bad);
  t.match(await post(confirmation({ dateAgreed: 20180614 })), bad);
  t.match(await post(confirmation({ dateAgreed: '2099-01-01' })), bad, 'in the future');
  t.match(await post(confirmation({ dateAgreed: '2018-02-30' })), { status: 400, body: { code: '990002' } });
  for (const token of [tokens.sales, tokens.helpdesk]) t.match(await post(confirmation(), token), { status: 403 });
  t.match(await post(confirmation(), tokens.appOnly), { status: 403, body: { code: '900329' } });
  const user = await tokens.customerUser(customer.customerId, customer.ownerUpn);
  t.match(await request('GET', path(customer.customerId), { token: user }), { status: 403 });
  for (const method of ['GET', 'POST']) {
    const options = { token: tokens.fabrikamAdmin, ...(method === 'POST' && { body: confirmation() }) };
    const foreign = await request(method, path(customer.customerId), options);
    t.match(foreign, { status: 404, body: { code: '60003' } });
    t.equal(foreign.text, (await request(method, path(randomUUID()), options)).text);
  }
  t.equal((await request('GET', `${path(customer.customerId)}?agreementType=*`)).body.totalCount, 0);
});

t.test('an export of confirmations is imported once, and counts as one made here', async (t) => {
  const { customerId, partnerId } = await service.newCustomer();
  const item = {
    ...confirmation({ dateAgreed: '2019-08-26T00:00:00' }),
    agreementLink: 'https://aka.ms/customeragreement',
  };
  const again = { ...item, dateAgreed: '2019-08-27T00:00:00' };
  const load = (items: object[]) =>
    importFiles(service.db, [source('agreements.json', { totalCount: items.length, items })], {
      rules: { purchaserRoles: ['owner'] },
      partnerId,
      customerId,
    });
  t.match(await load([item, again]), { files: [{ kind: 'agreements', created: 1, unchanged: 1, refused: [] }] });
  t.match(await load([item, again]), { files: [{ created: 0, unchanged: 2, refused: [] }] });
  t.match((await request('GET', `${path(customerId)}?agreementType=*`)).body.items, [
    { dateAgreed: '2019-08-26T00:00:00Z', type: 'MicrosoftCustomerAgreement' },
  ]);
  const { status } = await request('POST', path(customerId), { body: confirmation() });
  t.equal(status, 409);
  t.match(await load([{ ...item, dateAgreed: '2019-13-01' }]), { files: [{ refused: [{ pointer: /dateAgreed/ }] }] });
});
