import { randomUUID } from 'node:crypto';
import t from 'tap';
import type { Tx } from '../../../src/db/connect.js';
import { findPrice } from '../../../src/nouns/prices/find-price.js';
import { replacePriceBook } from '../../../src/nouns/prices/price-book.js';
import { WAITING } from '../../helpers/locks.js';
import { CONTOSO, FABRIKAM, startService } from '../../helpers/service.js';

const { db, request, tokens, newCustomer, newPrice, sql } = await startService(t);
const customer = await newCustomer();
const path = '/v1/pricebook';
const put = (body: unknown, ifMatch?: string, token = tokens.admin) =>
  request('PUT', path, { token, body, ...(ifMatch !== undefined && { headers: { 'if-match': ifMatch } }) });
const etagNow = async () => (await request('GET', path)).headers.get('etag') ?? '';

t.test('without a price book the answer is an empty one in USD, which can be put without an etag', async (t) => {
  t.match(await request('GET', path), {
    status: 200,
    body: { currencyCode: 'USD', entries: [], attributes: { etag: '"0"', objectType: 'PriceBook' } },
  });
  t.match(await put({ currencyCode: 'USD', entries: [] }, '"1"'), { status: 412 }, 'there is no version 1');
  const answer = await put({ currencyCode: 'USD', entries: [{ marginPercent: '10' }] });
  t.match(answer, { status: 200, body: { attributes: { etag: '"1"' } } });
  t.equal(answer.headers.get('etag'), '"1"');
});

t.test('what is read can be put back; a later change needs the etag that was read last', async (t) => {
  const { body } = await request('GET', path);
  t.match(await put({ currencyCode: 'USD', entries: [] }), { status: 428, body: { code: '990023' } });
  t.match(await put({ currencyCode: 'USD', entries: [] }, '"0"'), { status: 412 });
  t.match(await put(body), { status: 200, body: { ...body, attributes: { etag: '"2"' } } });
  t.match(await put(body), { status: 412 }, 'its attributes.etag is the one before');
  t.match(await put({ ...body, attributes: { etag: '2' } }, '"1"'), { status: 412 }, 'both have to be right');
  t.match(await put({ ...body, attributes: { etag: '2' } }, '"2"'), { status: 200 });
});

t.test('a customer pays what the book says, from the next quote on', async (t) => {
  await newPrice({ unitPrice: '600' });
  const priceOf = (customerId: string) =>
    db.read(CONTOSO, (reading) =>
      findPrice(reading, CONTOSO, {
        customerId,
        reservedResourceType: 'VirtualMachines',
        skuName: 'Standard_D2s_v5',
        location: 'westeurope',
        term: 'P1Y',
        quantity: 1,
        at: new Date(),
      }),
    );
  const before = await priceOf(customer.customerId);
  t.match(before, { unitMinor: 66_000 });
  const entries = [
    { marginPercent: '-5' },
    {
      customerId: customer.customerId.toUpperCase(),
      reservedResourceType: 'virtualmachines',
      location: 'WestEurope',
      unitPrice: '529.90',
    },
  ];
  const answer = await put({ currencyCode: 'USD', entries }, await etagNow());
  t.same(answer.body.entries, [
    { marginPercent: '-5' },
    {
      customerId: customer.customerId,
      reservedResourceType: 'VirtualMachines',
      location: 'westeurope',
      unitPrice: '529.90',
    },
  ]);
  t.match(await priceOf(customer.customerId), { unitMinor: 52_990, priceBookVersion: 4 });
  t.match(await priceOf(randomUUID()), { unitMinor: 57_000 });
});

t.test('AdminAgents write, the other agents read, customers and other partners see nothing of it', async (t) => {
  const book = { currencyCode: 'USD', entries: [] };
  for (const token of [tokens.sales, tokens.helpdesk]) {
    t.match(await request('GET', path, { token }), { status: 200 });
    t.match(await put(book, await etagNow(), token), { status: 403, body: { code: '900150' } });
  }
  const user = await tokens.customerUser(customer.customerId, customer.ownerUpn);
  for (const own of [path, `${path}/versions`, `${path}/versions/1`]) {
    t.match(await request('GET', own, { token: user }), { status: 403, body: { code: '900150' } }, own);
  }
  t.match(await put(book, await etagNow(), user), { status: 403 });
  const foreign = { token: tokens.fabrikamAdmin };
  t.match(await request('GET', path, foreign), { body: { entries: [], attributes: { etag: '"0"' } } });
  t.match(await request('GET', `${path}/versions/1`, foreign), { status: 404, body: { code: '990102' } });
  t.match(await request('GET', `${path}/versions`, foreign), { body: { totalCount: 0 } });
});

t.test('every version stays, with who put it', async (t) => {
  const first = await request('GET', `${path}/versions?size=3`);
  t.match(first, { status: 200, body: { totalCount: 3, items: [{ version: 4 }, { version: 3 }, { version: 2 }] } });
  t.equal(first.body.items[0].entries, undefined);
  const next = await request('GET', `${path}/versions?seekOperation=Next`, {
    headers: { 'MS-ContinuationToken': first.body.continuationToken },
  });
  t.match(next.body, { totalCount: 1, items: [{ version: 1, changedBy: /@contosopartner/ }] });
  t.match(await request('GET', `${path}/versions/1`), { status: 200, body: { entries: [{ marginPercent: '10' }] } });
  t.match(await request('GET', `${path}/versions/99`), { status: 404, body: { code: '990102' } });
  t.match(await request('GET', `${path}/versions/999999999999`), { status: 400 });
});

t.test('a book with a fault is refused whole, and every fault is named', async (t) => {
  const own = await newCustomer({ partnerId: FABRIKAM });
  const margin = { marginPercent: '1' };
  const faulty: readonly [object, RegExp][] = [
    [{}, /either marginPercent or unitPrice/],
    [{ ...margin, unitPrice: '1' }, /either marginPercent or unitPrice/],
    [{ marginPercent: '-100' }, /above -100/],
    [{ marginPercent: '1000.0001' }, /at most 1000/],
    [{ unitPrice: '1.001' }, /more decimal places than USD/],
    [{ ...margin, customerId: randomUUID() }, /no customer of yours/],
    [{ ...margin, customerId: own.customerId }, /no customer of yours/],
    [{ ...margin, reservedResourceType: 'Castles' }, /"Castles" is no product type/],
    [{ ...margin, reservedResourceType: 'constructor' }, /is no product type/],
  ];
  const good = { skuName: 'Standard_D2s_v5', ...margin };
  const answer = await put(
    { currencyCode: 'USD', entries: [good, ...faulty.map(([entry]) => entry)] },
    await etagNow(),
  );
  t.match(answer, { status: 400, body: { code: '3000' } });
  for (const [index, [entry, reason]] of faulty.entries()) {
    const said = answer.body.data.find(
      (one: string) => one.startsWith(`body/entries/${index + 1}`) && reason.test(one),
    );
    t.ok(said, `${JSON.stringify(entry)}: ${answer.text}`);
  }
  const twice = [good, { ...margin, skuName: 'STANDARD_d2s_v5' }];
  t.match(await put({ currencyCode: 'USD', entries: twice }, await etagNow()), {
    status: 400,
    body: { data: [/^body\/entries\/1 is for the same as body\/entries\/0/] },
  });
  for (const body of [
    { currencyCode: 'XQX', entries: [] },
    { currencyCode: 'usd', entries: [] },
    { currencyCode: 'USD' },
    { currencyCode: 'USD', entries: [{ marginPercent: 10 }] },
    { currencyCode: 'USD', entries: [{ marginPercent: '1e2' }] },
    { currencyCode: 'USD', entries: [{ marginPercent: '10.00001' }] },
    { currencyCode: 'USD', entries: [{ unitPrice: '-1' }] },
    { currencyCode: 'USD', entries: [{ unitPrice: '9999999999999' }] },
    { currencyCode: 'USD', entries: [{ unitPrice: '1', discount: '5' }] },
    { currencyCode: 'USD', entries: [{ unitPrice: '1', term: 'P2Y' }] },
    { currencyCode: 'USD', entries: [{ unitPrice: '1', skuName: '' }] },
    { currencyCode: 'USD', entries: [{ unitPrice: '1', customerId: 'x' }] },
    { currencyCode: 'USD', entries: [], version: 7 },
    { CurrencyCode: 'USD', entries: [] },
    [],
    null,
  ]) {
    t.match(await put(body, await etagNow()), { status: 400 }, JSON.stringify(body));
  }
  t.equal(await etagNow(), '"4"', 'nothing of them was kept');
  t.match(await put({ currencyCode: 'JPY', entries: [{ unitPrice: '10.5' }] }, await etagNow()), { status: 400 });
});

t.test('of two that replace the same version at once, one is told that it changed', async (t) => {
  const version = Number(JSON.parse(await etagNow()));
  const actor = { type: 'user', id: null, userPrincipalName: 'a@b', applicationId: null } as const;
  const act = { partnerId: CONTOSO, actor, requestId: randomUUID(), correlationId: randomUUID() };
  const body = { currencyCode: 'EUR', entries: [] };
  const replace = (tx: Tx) => replacePriceBook(tx, act, body, `"${version}"`, new Date());
  const waiting = async () => (await sql(WAITING)).length > 0;
  let second: Promise<unknown> = Promise.resolve();
  await db.write(CONTOSO, async (tx) => {
    await replace(tx);
    // Not committed yet: the second reads the version before, and waits for the key.
    second = db.write(CONTOSO, replace);
    second.catch(() => {});
    while (!(await waiting()));
  });
  await t.rejects(second, { code: '990019' });
  t.match(await sql('select max(version)::int as n from price_books'), [{ n: version + 1 }]);
});
