import { exchangeOf, lineOf, purchaseOf, refundOf } from './tenant-bodies.js';
import type { IdName, Ids } from './tenant-names.js';

export interface Naming {
  /** Values of the path parameters; those of `PATH` need no entry. */
  path?: Readonly<Record<string, string>>;
  query?: Readonly<Record<string, string>>;
  body?: unknown;
  headers?: Readonly<Record<string, string>>;
  /** Which of the callers it is made for. Default: the partner's AdminAgent. */
  as?: 'owner';
  /** It acts on the caller's own alone: nothing in it names a thing. */
  nothingNamed?: true;
}

/** A request to an operation. Every id that it takes from `id` is tried with a foreign and an absent one in its place. */
export type Entry = (id: Ids) => Naming;

const CAPACITY = '/providers/Microsoft.Capacity';
const READER = 'acdd72a7-3385-48ef-bd42-f606fba81ae7';
const today = new Date().toISOString().slice(0, 10);

const nothingNamed: Entry = () => ({ nothingNamed: true });
const byPath: Entry = () => ({});
const country: Entry = () => ({ query: { country: 'US' } });
const view: Entry = () => ({ query: { targetView: 'AzureReservations' } });
const grantor = (id: Pick<Ids, 'customer' | 'partner'>) => ({
  selfServeEntity: { selfServeEntityType: 'customer', tenantID: id.customer },
  grantor: { grantorType: 'billToPartner', tenantID: id.partner },
  permissions: [{ resource: 'AzureSavingsPlan', action: 'Purchase' }],
});
const policyUpdate = (id: Ids) => ({
  id: id.policy,
  ...grantor(id),
  permissions: [{ resource: 'AzureReservedInstances', action: 'Purchase' }],
  attributes: { etag: id.policyTag, objectType: 'SelfServePolicy' },
});
const ending = (id: Ids) => ({ path: { reservationOrderId: id.endedOrder, reservationId: id.endedReservation } });
const reservationPath = (order: string, name: string) => `${CAPACITY}/reservationOrders/${order}/reservations/${name}`;

/** The five operations on one kind of scope. */
function atScope(kind: string, name: IdName): Record<string, Entry> {
  const ofTenant = (id: Ids) => ({ query: { tenantId: id.customer }, as: 'owner' as const });
  return {
    [`list${kind}RoleAssignments`]: (id) => ({
      query: { $filter: `principalId eq '${id.user}'`, tenantId: id.customer },
      as: 'owner',
    }),
    [`get${kind}RoleAssignment`]: (id) => ({ ...ofTenant(id), path: { roleAssignmentName: id[name] } }),
    [`put${kind}RoleAssignment`]: (id) => ({
      ...ofTenant(id),
      path: { roleAssignmentName: id[name] },
      body: {
        properties: {
          roleDefinitionId: `/providers/Microsoft.Authorization/roleDefinitions/${READER}`,
          principalId: id.user,
          principalType: 'User',
        },
      },
    }),
    [`delete${kind}RoleAssignment`]: (id) => ({ ...ofTenant(id), path: { roleAssignmentName: id[name] } }),
    [`list${kind}RoleDefinitions`]: (id) => ({
      ...ofTenant(id),
      query: { ...ofTenant(id).query, $filter: 'atScope()' },
    }),
    [`get${kind}RoleDefinition`]: ofTenant,
  };
}

/** For every operation of openapi.json a request that succeeds on the caller's own things. */
export const ENTRIES: Readonly<Record<string, Entry>> = {
  getLiveness: nothingNamed,
  getReadiness: nothingNamed,

  listCustomers: (id) => ({
    query: { filter: JSON.stringify({ Field: 'CompanyName', Value: id.name, Operator: 'starts_with' }) },
  }),
  createCustomer: (id) => ({
    nothingNamed: true,
    body: {
      companyProfile: { domain: `new${id.domain}` },
      billingProfile: {
        email: 'gena@wingtiptoys.example',
        culture: 'en-US',
        language: 'en',
        companyName: 'Wingtip Toys',
        defaultAddress: {
          country: 'US',
          city: 'Redmond',
          state: 'WA',
          addressLine1: 'One Microsoft Way',
          postalCode: '98052',
          firstName: 'Gena',
          lastName: 'Soto',
          phoneNumber: '4255550101',
        },
      },
    },
  }),
  getCustomer: byPath,
  updateCustomer: (id) => ({ path: { customer: id.leavingCustomer }, body: { relationshipToPartner: 'none' } }),
  deleteCustomer: byPath,
  getCustomerBillingProfile: byPath,
  updateCustomerBillingProfile: () => ({
    headers: { 'if-match': '*' },
    body: {
      email: 'gena@wingtiptoys.example',
      culture: 'en-US',
      language: 'en',
      companyName: 'Wingtip Toys',
      defaultAddress: { country: 'US', city: 'Redmond', state: 'WA', addressLine1: 'One Way', postalCode: '98052' },
    },
  }),
  getCustomerCompanyProfile: byPath,
  checkDomain: byPath,
  listCustomerUsers: () => ({
    query: { filter: JSON.stringify({ Field: 'UserState', Value: 'Active', Operator: 'equals' }) },
  }),
  createCustomerUser: (id) => ({
    body: {
      usageLocation: 'US',
      userPrincipalName: `new@${id.domain}`,
      firstName: 'Daniel',
      lastName: 'Tsai',
      displayName: 'Daniel Tsai',
      passwordProfile: { password: 'a-first-Passw0rd', forceChangePassword: true },
    },
  }),
  getCustomerUser: byPath,
  updateCustomerUser: () => ({ body: { state: 'inactive' } }),
  deleteCustomerUser: byPath,

  listCustomerPurchasePermissions: byPath,
  getPurchasePermission: byPath,
  putPurchasePermission: () => ({ body: { state: 'off' } }),
  deletePurchasePermission: byPath,
  getEligibility: byPath,
  listPurchasePermissions: nothingNamed,
  getPurchaseGuards: byPath,
  putPurchaseGuards: () => ({
    body: { currencyCode: 'USD', capPerPurchase: '2500.00' },
    headers: { 'if-match': '*' },
  }),
  listSelfServePolicies: (id) => ({ query: { entity_id: id.customer } }),
  createSelfServePolicy: (id) => ({ body: grantor({ partner: id.partner, customer: id.freshCustomer }) }),
  updateSelfServePolicyByBody: (id) => ({ body: policyUpdate(id), headers: { 'if-match': id.policyTag } }),
  getSelfServePolicy: byPath,
  updateSelfServePolicy: (id) => ({ body: policyUpdate(id), headers: { 'if-match': id.policyTag } }),
  deleteSelfServePolicy: (id) => ({ headers: { 'if-match': id.policyTag } }),

  listSubscriptions: (id) => ({ query: { order_id: id.legacyOrder } }),
  getSubscription: byPath,
  updateSubscription: (id) => ({
    headers: { 'if-match': `"${id.subscriptionTag}"` },
    body: {
      id: id.subscription,
      friendlyName: 'nickname',
      quantity: 1,
      status: 'active',
      autoRenewEnabled: false,
      attributes: { etag: id.subscriptionTag },
    },
  }),
  registerSubscription: byPath,
  getSubscriptionRegistrationStatus: byPath,
  listAzureEntitlements: byPath,
  createAzureEntitlement: () => ({ body: { friendlyName: 'Production' } }),
  getAzureEntitlement: byPath,
  cancelAzureEntitlement: () => ({ body: { cancellationReason: 'compromise' } }),
  reactivateAzureEntitlement: (id) => ({ path: { entitlement: id.suspendedEntitlement } }),

  listProducts: () => ({ query: { country: 'US', targetView: 'AzureReservations' }, nothingNamed: true }),
  getProduct: country,
  listSkus: country,
  getSku: country,
  listAvailabilities: country,
  getAvailability: country,
  listCustomerProducts: view,
  getCustomerProduct: byPath,
  listCustomerSkus: byPath,
  getCustomerSku: byPath,
  listCustomerAvailabilities: byPath,
  getCustomerAvailability: byPath,
  checkInventory: (id) => ({
    query: { country: 'US' },
    body: {
      targetItems: [{ productId: id.product, skuId: id.sku }],
      inventoryContext: {
        customerId: id.customer,
        azureSubscriptionId: id.entitlement,
        armRegionName: 'westeurope',
      },
    },
  }),

  getPriceBook: nothingNamed,
  putPriceBook: (id) => ({
    headers: { 'if-match': '*' },
    body: { currencyCode: 'USD', entries: [{ customerId: id.customer, skuName: id.skuName, unitPrice: '529.00' }] },
  }),
  listPriceBookVersions: nothingNamed,
  getPriceBookVersion: nothingNamed,
  getReservationCatalog: (id) => ({
    query: {
      reservedResourceType: 'VirtualMachines',
      location: 'westeurope',
      $filter: `name eq '${id.skuName}'`,
    },
    as: 'owner',
  }),

  listArmSubscriptions: () => ({ as: 'owner', nothingNamed: true }),
  getArmSubscription: () => ({ as: 'owner' }),
  ...atScope('Tenant', 'rootAssignment'),
  ...atScope('ManagementGroup', 'groupAssignment'),
  ...atScope('Subscription', 'assignment'),
  ...atScope('ResourceGroup', 'resourceGroupAssignment'),
  ...atScope('Resource', 'resourceAssignment'),
  ...atScope('ChildResource', 'childAssignment'),
  listCustomerRoleAssignments: byPath,

  listReservationOrders: (id) => ({ query: { tenantId: id.customer }, as: 'owner' }),
  getReservationOrder: () => ({ query: { $expand: 'schedule' }, as: 'owner' }),
  purchaseReservationOrder: (id) => ({
    path: { reservationOrderId: id.quote },
    body: purchaseOf(id),
    as: 'owner',
  }),
  listReservationsOfOrder: () => ({ as: 'owner' }),
  splitReservation: (id) => ({
    body: {
      properties: { quantities: [1, 1], reservationId: reservationPath(id.reservationOrder, id.reservation) },
    },
    as: 'owner',
  }),
  mergeReservations: (id) => ({
    path: { reservationOrderId: id.pairOrder },
    body: {
      properties: { sources: [reservationPath(id.pairOrder, id.pairOne), reservationPath(id.pairOrder, id.pairTwo)] },
    },
    as: 'owner',
  }),
  changeReservationDirectory: (id) => ({ body: { destinationTenantId: id.customer } }),
  getReservation: () => ({ query: { $expand: 'renewProperties' }, as: 'owner' }),
  updateReservation: (id) => ({
    body: {
      properties: { appliedScopeType: 'Single', appliedScopes: [`/subscriptions/${id.entitlement}`] },
    },
  }),
  getAvailableScopes: (id) => ({ body: { properties: { scopes: [`/subscriptions/${id.entitlement}`] } }, as: 'owner' }),
  archiveReservation: (id) => ({ ...ending(id), as: 'owner' }),
  unarchiveReservation: (id) => ({ ...ending(id), as: 'owner' }),
  listReservationRevisions: () => ({ as: 'owner' }),
  listReservations: (id) => ({
    query: { tenantId: id.customer, $filter: `properties/displayName eq '${id.name}'` },
    as: 'owner',
  }),
  getAppliedReservations: () => ({ as: 'owner' }),
  getCapacityOperationResult: () => ({ as: 'owner' }),
  listCapacityOperations: nothingNamed,
  calculatePrice: (id) => ({ body: purchaseOf(id), as: 'owner' }),
  calculateRefund: (id) => ({ body: refundOf(id) }),
  returnReservation: (id) => ({
    body: { properties: { ...refundOf(id).properties, sessionId: id.refundSession, returnReason: 'wrong' } },
  }),
  calculateExchange: (id) => ({ body: exchangeOf(id, 'Standard_Large_v5') }),
  exchangeReservations: (id) => ({ body: { properties: { sessionId: id.exchangeSession } } }),

  listAgreementMetaData: () => ({ query: { agreementType: 'MicrosoftCustomerAgreement' }, nothingNamed: true }),
  listCustomerAgreements: byPath,
  confirmCustomerAgreement: () => ({
    body: {
      primaryContact: { firstName: 'Tania', lastName: 'Carr', email: 'someone@example.com', phoneNumber: '1234567890' },
      templateId: '117a77b0-9360-443b-8795-c6dedc750cf9',
      dateAgreed: '2018-06-14T00:00:00.000Z',
      type: 'MicrosoftCustomerAgreement',
    },
  }),
  createOrder: (id) => ({
    body: {
      billingCycle: 'one_time',
      lineItems: [
        {
          lineItemNumber: 0,
          offerId: id.catalogItem,
          quantity: 1,
          termDuration: 'P1Y',
          provisioningContext: { subscriptionId: id.subscription },
        },
      ],
    },
  }),
  listOrders: byPath,
  getOrder: byPath,
  getOrderProvisioningStatus: byPath,
  createCart: (id) => ({ body: { lineItems: [lineOf(id)] } }),
  getCart: byPath,
  updateCart: (id) => ({ body: { id: id.cart, lineItems: [lineOf(id)] } }),
  checkoutCart: byPath,
  listEntitlements: byPath,
  getReservedInstanceArtifact: (id) => ({ path: { resource: id.reservationOrder } }),
  approveOrder: (id) => ({ path: { order: id.pendingOrder }, body: { comment: 'Yes.' } }),
  declineOrder: (id) => ({ path: { order: id.pendingOrder }, body: { comment: 'No.' } }),

  listChangeRequests: byPath,
  createChangeRequest: (id) => ({
    body: {
      kind: 'scope',
      appliedScopeType: 'Single',
      appliedScopeProperties: { subscriptionId: `/subscriptions/${id.entitlement}` },
      reservationOrderId: id.reservationOrder,
      reservationId: id.reservation,
    },
    as: 'owner',
  }),
  getChangeRequest: byPath,
  approveChangeRequest: () => ({ body: { comment: 'Done.' } }),
  declineChangeRequest: () => ({ body: { comment: 'No.' } }),
  getRefundLimit: byPath,

  listActivityLog: (id) => ({ query: { customerId: id.customer, actor: id.owner } }),
  listAuditRecords: (id) => ({
    query: {
      startDate: today,
      filter: JSON.stringify({ Field: 'CompanyName', Value: id.name, Operator: 'substring' }),
    },
  }),
  listAuditActivityRecords: (id) => ({
    query: {
      'auditRequest.startDate': today,
      'auditRequest.filter.field': 'CompanyName',
      'auditRequest.filter.value': id.name,
      'auditRequest.filter.operator': 'substring',
    },
  }),
  getAuditRecord: (id) => ({ path: { id: id.auditRecord } }),

  getWebhookRegistration: nothingNamed,
  createWebhookRegistration: () => ({
    nothingNamed: true,
    body: { WebhookUrl: 'https://127.0.0.1/other', WebhookEvents: ['test-created'] },
  }),
  updateWebhookRegistration: () => ({
    nothingNamed: true,
    body: { WebhookUrl: 'https://127.0.0.1/other', WebhookEvents: ['test-created'] },
  }),
  deleteWebhookRegistration: nothingNamed,
  listWebhookEvents: nothingNamed,
  createWebhookValidationEvent: nothingNamed,
  getWebhookValidationEvent: byPath,
  getWebhookCertificate: byPath,
};

/** Operations whose request is right and still refused, by the state of things: what they answer on the own. */
export const REFUSED_ON_OWN: Readonly<Record<string, number>> = {
  // What is billed through a partner cannot move.
  changeReservationDirectory: 400,
  // There is one.
  createWebhookRegistration: 409,
};
