import { randomUUID } from 'node:crypto';
import { ensureSigningKey } from '../../src/nouns/webhooks/signing-keys.js';
import { insertPurchase } from '../helpers/purchases.js';
import { CONTOSO, type Service } from '../helpers/service.js';
import { acceptAgreement, register } from '../nouns/orders/buy.js';
import { exchangeOf, lineOf, purchaseOf, refundOf } from './tenant-bodies.js';
import type { Ids } from './tenant-names.js';

export interface World {
  partnerId: string;
  /** The canary: a word in every free text of this world, and in no other. */
  word: string;
  ids: Ids;
  ownerToken: string;
  /** Of a user of the customer who holds no role. */
  userToken: string;
}

export interface WorldOptions {
  partnerId: string;
  /** Lower-case letters. */
  word: string;
  /** Whole units; its digits are looked for in answers. */
  price: string;
  /** The partner's own things, which a second customer of it shares. */
  partnerIds?: Pick<World, 'ids'>;
}

const ARM = 'api-version=2022-11-01';
const CAPACITY = '/providers/Microsoft.Capacity';

/** What of a service a world is made with. */
export type Maker = Pick<Service, 'sql' | 'db' | 'tokens' | 'request' | 'newCustomer' | 'newPrice'>;

/** A customer with one of everything, through the API where the API can make it. */
export async function makeWorld(service: Maker, options: WorldOptions): Promise<World> {
  const { partnerId, word, price, partnerIds } = options;
  const { sql, db, tokens } = service;
  const admin = partnerId === CONTOSO ? tokens.admin : tokens.fabrikamAdmin;
  const customer = await service.newCustomer({ partnerId, name: `${word} Customer` });
  const { customerId, azureSubscriptionId: entitlement, subscriptionId: subscription, ownerId: owner } = customer;
  await acceptAgreement(service, customer);
  await register(service, customer);
  await plant(service, customer, word);
  const ownerUpn = `owner@${word}.onmicrosoft.com`;
  const ownerToken = await tokens.customerUser(customerId, ownerUpn);

  async function send(method: string, path: string, body?: unknown, token = admin, headers = {}) {
    const answer = await service.request(method, path, { token, headers, ...(body !== undefined && { body }) });
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`);
    return answer;
  }
  const base = `/v1/customers/${customerId}`;
  const bought = (more: object = {}) =>
    insertPurchase(db, customer, { total: Number(price) * 200, quantity: 2, ...more });

  const user = (
    await send('POST', `${base}/users`, {
      usageLocation: 'US',
      userPrincipalName: `user@${word}.onmicrosoft.com`,
      firstName: `${word} First`,
      lastName: `${word} Last`,
      displayName: `${word} User`,
      passwordProfile: { password: 'a-first-Passw0rd', forceChangePassword: true },
    })
  ).body.id;
  const userToken = await tokens.customerUser(customerId, `user@${word}.onmicrosoft.com`);
  const suspendedEntitlement = (
    await send('POST', `${base}/subscriptions/${subscription}/azureEntitlements`, { friendlyName: `${word} Spare` })
  ).body.id;
  await send('POST', `${base}/subscriptions/${subscription}/azureEntitlements/${suspendedEntitlement}/cancel`, {
    cancellationReason: 'compromise',
  });

  const scope = `/subscriptions/${entitlement}`;
  const resource = `${scope}/resourceGroups/web/providers/Microsoft.Compute/virtualMachines/one`;
  const managementGroup = customerId;
  const assign = async (at: string) => {
    const made = randomUUID();
    await send(
      'PUT',
      `${at}/providers/Microsoft.Authorization/roleAssignments/${made}?${ARM}`,
      {
        properties: {
          roleDefinitionId: `/providers/Microsoft.Authorization/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7`,
          principalId: user,
          principalType: 'User',
          description: `${word} assignment`,
        },
      },
      ownerToken,
    );
    return made;
  };
  await sql(
    `insert into role_assignments
       select partner_id, customer_id, gen_random_uuid(), '/', '/', 'root', null, role_definition_id, principal_id,
         principal_type, assignment_state, null, null, null, null, created_on, updated_on, null, null
       from role_assignments where customer_id = $1 and principal_id = $2`,
    [customerId, owner],
  );
  const assignments = {
    assignment: await assign(scope),
    rootAssignment: await assign(''),
    groupAssignment: await assign(`/providers/Microsoft.Management/managementGroups/${managementGroup}`),
    resourceGroupAssignment: await assign(`${scope}/resourceGroups/web`),
    resourceAssignment: await assign(resource),
    childAssignment: await assign(`${resource}/extensions/two`),
  };

  const permission = `${base}/purchasepermissions/AzureReservedInstances`;
  await send('PUT', permission, { state: 'on' });
  const policy = `${partnerId}_${customerId}`;
  const policyTag = (await send('GET', `/v1/SelfServePolicy/${policy}`)).body.attributes.etag;

  const skuName = `Standard_${word}_v5`;
  if (!partnerIds) {
    const productId = `DZH318${word.toUpperCase().slice(0, 6).padEnd(6, 'X')}`;
    for (const one of [skuName, 'Standard_Large_v5']) {
      await service.newPrice({ partnerId, skuName: one, unitPrice: `${price}.37` });
    }
    await sql(
      `update retail_prices set product_id = $2, sku_id = upper(left(md5($3 || arm_sku_name), 4)), product_name = $3 || ' ' || product_name,
         sku_name = $3 || ' ' || sku_name, service_name = $3 || ' ' || service_name where partner_id = $1`,
      [partnerId, productId, word],
    );
    await send(
      'PUT',
      '/v1/pricebook',
      { currencyCode: 'USD', entries: [{ marginPercent: '10' }, { customerId, skuName, unitPrice: `${price}.41` }] },
      admin,
      { 'if-match': '*' },
    );
    await send('POST', '/webhooks/v1/registration', {
      WebhookUrl: `https://127.0.0.1/${word}`,
      WebhookEvents: ['test-created', 'reservation-purchased'],
    });
  }
  const products = (await send('GET', `${base}/products?targetView=AzureReservations`)).body.items;
  const product = products.find(({ title }: { title: string }) => title.includes(partnerIds?.ids ? '' : word)).id;
  const skus = (await send('GET', `${base}/products/${product}/skus`)).body.items;
  const sku = (skus.find(({ description }: { description: string }) => description.includes(skuName)) ?? skus[0]).id;
  const [available] = (await send('GET', `${base}/products/${product}/skus/${sku}/availabilities`)).body.items;
  const ownSkuName = partnerIds?.ids.skuName ?? skuName;

  const purchase = purchaseOf({ skuName: ownSkuName, entitlement });
  const quote = (await send('POST', `${CAPACITY}/calculatePrice?${ARM}`, purchase, ownerToken)).body.properties
    .reservationOrderId;
  const first = await bought();
  const pair = await bought();
  const ended = await bought({ reservationState: 'Cancelled', orderState: 'Cancelled' });
  const returned = await bought();
  await sql(`update reservation_orders set display_name = $2, bought_by = $2 where customer_id = $1`, [
    customerId,
    `${word} order`,
  ]);
  const [pairOne, pairTwo] = (
    await send(
      'POST',
      `${CAPACITY}/reservationOrders/${pair.reservationOrderId}/split?${ARM}`,
      {
        properties: {
          quantities: [1, 1],
          reservationId: `${CAPACITY}/reservationOrders/${pair.reservationOrderId}/reservations/${pair.reservationId}`,
        },
      },
      ownerToken,
    )
  ).body.map(({ name }: { name: string }) => name.split('/').at(-1));
  const { reservationOrderId: reservationOrder, reservationId: reservation } = first;
  const names = { reservationOrder, reservation };
  const refundSession = (
    await send('POST', `${CAPACITY}/reservationOrders/${reservationOrder}/calculateRefund?${ARM}`, refundOf(names))
  ).body.properties.sessionId;
  const exchangeSession = (
    await send(
      'POST',
      `${CAPACITY}/calculateExchange?${ARM}`,
      exchangeOf({ ...names, entitlement }, 'Standard_Large_v5'),
    )
  ).body.properties.sessionId;
  const back = refundOf({ reservationOrder: returned.reservationOrderId, reservation: returned.reservationId });
  const backTo = `${CAPACITY}/reservationOrders/${returned.reservationOrderId}`;
  const { sessionId } = (await send('POST', `${backTo}/calculateRefund?${ARM}`, back)).body.properties;
  await send('POST', `${backTo}/return?${ARM}`, {
    properties: { sessionId, ...back.properties, returnReason: `${word} reason` },
  });
  const guards = { currencyCode: 'USD', capPerPurchase: `${price}00.00` };
  const anyGuards = { 'if-match': '*' };
  await send('PUT', `${permission}/guards`, { ...guards, approvalAbove: '1.00' }, admin, anyGuards);
  const pendingOrder = (await send('POST', `${CAPACITY}/calculatePrice?${ARM}`, purchase, ownerToken)).body.properties
    .reservationOrderId;
  await send('PUT', `${CAPACITY}/reservationOrders/${pendingOrder}?${ARM}`, purchase, ownerToken);
  await send('PUT', `${permission}/guards`, guards, admin, anyGuards);
  const catalogItem = available.catalogItemId;
  const cart = (
    await send('POST', `${base}/carts`, { lineItems: [lineOf({ catalogItem, subscription: entitlement })] })
  ).body.id;
  const changeRequest = (
    await send(
      'POST',
      `${base}/changerequests`,
      {
        kind: 'renew',
        renew: true,
        reservationOrderId: reservationOrder,
        reservationId: reservation,
        comment: `${word} wish`,
      },
      ownerToken,
    )
  ).body.id;
  const validationEvent =
    partnerIds?.ids.validationEvent ??
    (await send('POST', '/webhooks/v1/registration/validationEvents')).body.correlationId;
  const { keyId: certificate } = await ensureSigningKey(db, Buffer.alloc(32, 7), partnerId, new Date());
  const today = new Date().toISOString().slice(0, 10);
  const { items: records } = (await send('GET', `/v1/auditrecords?startDate=${today}`)).body;
  const auditRecord = records.find((record: { customerId: string }) => record.customerId === customerId).id;
  const subscriptionTag = (await send('GET', `${base}/subscriptions/${subscription}`)).body.attributes.etag;

  const ids: Ids = {
    partner: partnerId,
    customer: customerId,
    freshCustomer: (await service.newCustomer({ partnerId, name: `${word} Fresh` })).customerId,
    leavingCustomer: (await service.newCustomer({ partnerId, name: `${word} Leaving`, eligible: false })).customerId,
    subscription,
    entitlement,
    suspendedEntitlement,
    owner,
    user,
    ...assignments,
    managementGroup,
    policy,
    order: first.orderId,
    pendingOrder,
    cart,
    changeRequest,
    reservationOrder,
    reservation,
    pairOrder: pair.reservationOrderId,
    pairOne,
    pairTwo,
    endedOrder: ended.reservationOrderId,
    endedReservation: ended.reservationId,
    quote,
    refundSession,
    exchangeSession,
    product,
    sku,
    availability: available.id,
    catalogItem,
    skuName: ownSkuName,
    legacyOrder: word,
    auditRecord,
    validationEvent,
    certificate,
    policyTag,
    subscriptionTag,
    name: `${word} Customer`,
    domain: `${word}.onmicrosoft.com`,
  };
  return { partnerId, word, ids, ownerToken, userToken };
}

/** Puts the word into what the helper wrote without it. */
async function plant(
  { sql }: Pick<Service, 'sql'>,
  { customerId, ownerId }: { customerId: string; ownerId: string },
  word: string,
) {
  const address = { country: 'US', city: word, state: 'WA', addressLine1: `${word} Way`, postalCode: '98052' };
  await sql(
    `update customers set domain = $2 || '.onmicrosoft.com', company_profile = $3,
       billing_profile = billing_profile || $4 where customer_id = $1`,
    [
      customerId,
      word,
      { address, email: `company@${word}.example` },
      {
        email: `billing@${word}.example`,
        companyName: `${word} Customer`,
        defaultAddress: address,
        firstName: `${word} First`,
      },
    ],
  );
  await sql(
    `update users set user_principal_name = $3, upn_key = $3, display_name = $2 || ' Owner', first_name = $2, last_name = $2,
       phone_number = '555' || $2, immutable_id = $2 where user_id = $1`,
    [ownerId, word, `owner@${word}.onmicrosoft.com`],
  );
  await sql(`update subscriptions set friendly_name = $2 || ' plan', order_id = $2 where customer_id = $1`, [
    customerId,
    word,
  ]);
  await sql(
    `update azure_subscriptions set friendly_name = $2 || ' one', management_groups = array[customer_id::text] where customer_id = $1`,
    [customerId, word],
  );
  await sql(
    `insert into groups select partner_id, customer_id, gen_random_uuid(), $2 || ' group' from customers where customer_id = $1`,
    [customerId, word],
  );
  await sql(
    `insert into group_members select partner_id, customer_id, group_id, $2 from groups where customer_id = $1`,
    [customerId, ownerId],
  );
  await sql(
    `insert into deny_assignments select partner_id, customer_id, gen_random_uuid(), $2 || ' denial', '/subscriptions/none', '/subscriptions/none',
       array['*'], '{}', '{}', false from customers where customer_id = $1`,
    [customerId, word],
  );
}
