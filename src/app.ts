import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import Fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from 'fastify';
import type { Registry } from 'prom-client';
import type { Config } from './config.js';
import type { DatabaseHandle } from './db/connect.js';
import { type Lists, listsOf } from './db/replica.js';
import type { Events } from './events.js';
import { createTokenCodec } from './http/continuation-token.js';
import { parseQuery } from './http/query.js';
import { sharedSchemas } from './http/schemas.js';
import { lazySerializers } from './http/serializers.js';
import { parseStrictJson } from './http/strict-json.js';
import { lazyValidators } from './http/validators.js';
import { deriveKey } from './lib/seal.js';
import { auditRecords } from './nouns/activity-log/audit-routes.js';
import { activityLog } from './nouns/activity-log/routes.js';
import * as activityLogSchemas from './nouns/activity-log/schemas.js';
import { agreements } from './nouns/agreements/routes.js';
import * as agreementSchemas from './nouns/agreements/schemas.js';
import { carts } from './nouns/carts/routes.js';
import * as cartSchemas from './nouns/carts/schemas.js';
import { changeRequests } from './nouns/change-requests/routes.js';
import * as changeRequestSchemas from './nouns/change-requests/schemas.js';
import { customerProfiles } from './nouns/customers/profile-routes.js';
import { customers } from './nouns/customers/routes.js';
import * as customerSchemas from './nouns/customers/schemas.js';
import { customerUsers } from './nouns/customers/user-routes.js';
import * as userSchemas from './nouns/customers/user-schemas.js';
import { entitlements } from './nouns/entitlements/routes.js';
import * as entitlementSchemas from './nouns/entitlements/schemas.js';
import type { Identity } from './nouns/identity/identity.js';
import { findTenantKind } from './nouns/identity/queries.js';
import { identityRoutes } from './nouns/identity/routes.js';
import { orders } from './nouns/orders/routes.js';
import * as orderSchemas from './nouns/orders/schemas.js';
import { priceBook } from './nouns/prices/routes.js';
import * as priceSchemas from './nouns/prices/schemas.js';
import { reservationCatalog } from './nouns/products/catalog-routes.js';
import * as catalogSchemas from './nouns/products/catalog-schemas.js';
import { products } from './nouns/products/routes.js';
import * as productSchemas from './nouns/products/schemas.js';
import { purchaseGuards } from './nouns/purchase-guards/routes.js';
import * as guardSchemas from './nouns/purchase-guards/schemas.js';
import { selfServePolicies } from './nouns/purchase-permissions/policy-routes.js';
import { purchasePermissions } from './nouns/purchase-permissions/routes.js';
import * as permissionSchemas from './nouns/purchase-permissions/schemas.js';
import { orderApprovals } from './nouns/purchases/approval-routes.js';
import { purchases } from './nouns/purchases/routes.js';
import * as purchaseSchemas from './nouns/purchases/schemas.js';
import { refunds } from './nouns/refunds/routes.js';
import { readRefundFee } from './nouns/refunds/rules.js';
import * as refundSchemas from './nouns/refunds/schemas.js';
import { reservations } from './nouns/reservations/routes.js';
import * as reservationSchemas from './nouns/reservations/schemas.js';
import { roleAssignments } from './nouns/role-assignments/routes.js';
import * as roleAssignmentSchemas from './nouns/role-assignments/schemas.js';
import { azureEntitlements } from './nouns/subscriptions/azure-entitlement-routes.js';
import { subscriptions } from './nouns/subscriptions/routes.js';
import * as subscriptionSchemas from './nouns/subscriptions/schemas.js';
import { webhookRegistrations } from './nouns/webhooks/routes.js';
import * as webhookSchemas from './nouns/webhooks/schemas.js';
import { webhookValidation } from './nouns/webhooks/validation-routes.js';
import { authentication } from './plugins/authentication.js';
import { authorization } from './plugins/authorization.js';
import { closing } from './plugins/closing.js';
import type { SharedCounts } from './plugins/counts/shared-store.js';
import { deadline } from './plugins/deadline.js';
import { answerFrameworkError, errors } from './plugins/errors.js';
import { face } from './plugins/face.js';
import { health } from './plugins/health.js';
import { idempotency } from './plugins/idempotency/plugin.js';
import { limits } from './plugins/limits.js';
import { openapi } from './plugins/openapi.js';
import { answerExpectation, answerParserErrors } from './plugins/parser-errors.js';
import { pressure } from './plugins/pressure.js';
import { protocol } from './plugins/protocol.js';
import { requestIds } from './plugins/request-ids.js';
import { telemetry } from './plugins/telemetry.js';
import type { TokenRules } from './plugins/tokens/rules.js';

export interface AppDependencies {
  config: Config;
  db: DatabaseHandle;
  /** Where the routes of lists and of the log read. Default: `db`. */
  lists?: Lists;
  log: FastifyBaseLogger;
  registry: Registry;
  events: Events;
  /** 32 bytes: signs continuation tokens and seals stored replies. */
  secret: Buffer;
  tokenRules: TokenRules;
  /** The built-in issuer; absent where tokens come from elsewhere. */
  identity?: Identity;
  /** Counts of the limits that other instances have in common with this one. */
  sharedCounts?: SharedCounts;
  ready: () => Promise<string | undefined>;
  version: string;
  now: () => Date;
}

const BODY_LIMIT = 64 * 1024;
/** Clients in the middle of their work send again sooner. Without a drain nobody is waited for. */
const LINGER_MILLISECONDS = 2000;
/** So that the answer is there within 5 s, when many clients and balancers give up, also while the process is slow. */
const DEADLINE_MS = 3500;

/** The whole service without a socket: plugins, then nouns, in the order in which a request meets them. */
export async function buildApp(deps: AppDependencies): Promise<FastifyInstance> {
  const { config, db, now, lists = listsOf(deps.db) } = deps;
  const app = Fastify({
    loggerInstance: deps.log,
    // No logger per request: the lines of a request name its ids themselves.
    childLoggerFactory: (logger) => logger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: BODY_LIMIT,
    requestTimeout: 5000,
    // Without any byte in either direction, as of who does not read his answer: Node waits for it once or twice. Between
    // requests keepAliveTimeout counts.
    connectionTimeout: 45_000,
    keepAliveTimeout: 72_000,
    trustProxy: config.trustProxy.length > 0 ? [...config.trustProxy] : false,
    routerOptions: {
      caseSensitive: false,
      ignoreDuplicateSlashes: true,
      ignoreTrailingSlash: true,
      querystringParser: (text) => parseQuery(text) as Record<string, unknown>,
      maxParamLength: 500,
    },
    http: {
      headersTimeout: 3000,
      connectionsCheckingInterval: 100,
      maxHeaderSize: 16 * 1024,
      requireHostHeader: false,
    },
    schemaController: { compilersFactory: { buildSerializer: lazySerializers(), buildValidator: lazyValidators() } },
    clientErrorHandler: answerParserErrors(deps.log),
    frameworkErrors: answerFrameworkError,
    // While it closes, whoever is connected is served to the end; Fastify would answer 503 in a shape of its own.
    return503OnClosing: false,
    ajv: {
      // Whether the schemas are schemas the lint of the OpenAPI document tells, not each start.
      customOptions: {
        validateSchema: false,
        coerceTypes: false,
        removeAdditional: false,
        useDefaults: false,
        allErrors: true,
      },
    },
  }).withTypeProvider<TypeBoxTypeProvider>();

  app.server.on('checkExpectation', answerExpectation);
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => {
    try {
      done(null, (body as Buffer).length === 0 ? undefined : parseStrictJson(body as Buffer));
    } catch (error) {
      done(error as Error);
    }
  });

  await app.register(closing, { lingerMilliseconds: config.drainSeconds > 0 ? LINGER_MILLISECONDS : 0 });
  await app.register(errors);
  await app.register(requestIds);
  await app.register(deadline, { milliseconds: DEADLINE_MS });
  await app.register(protocol);
  await app.register(openapi, { version: deps.version });
  await app.register(authentication, {
    rules: deps.tokenRules,
    ...(deps.identity && { localKeys: deps.identity.localKeys }),
    findTenantKind: (tenantId) => findTenantKind(db, tenantId),
    now,
  });
  await app.register(authorization);
  await app.register(telemetry, { registry: deps.registry });
  await app.register(limits, {
    requestsPerMinute: config.requestsPerMinute,
    switchesPerMinute: config.switchesPerMinute,
    ...(deps.sharedCounts && { shared: { counts: deps.sharedCounts, key: deriveKey(deps.secret, 'rate limits') } }),
  });
  await app.register(pressure);
  await app.register(face);
  await app.register(idempotency, { db, key: deriveKey(deps.secret, 'stored replies'), now });
  await app.register(health, { ready: deps.ready });

  for (const schema of [
    ...sharedSchemas,
    ...Object.values(customerSchemas),
    ...Object.values(userSchemas),
    ...Object.values(permissionSchemas),
    ...Object.values(guardSchemas),
    ...Object.values(subscriptionSchemas),
    ...Object.values(productSchemas),
    ...Object.values(catalogSchemas),
    ...Object.values(priceSchemas),
    ...Object.values(roleAssignmentSchemas),
    ...Object.values(reservationSchemas),
    ...Object.values(purchaseSchemas),
    ...Object.values(refundSchemas),
    ...Object.values(agreementSchemas),
    ...Object.values(orderSchemas),
    ...Object.values(cartSchemas),
    ...Object.values(entitlementSchemas),
    ...Object.values(changeRequestSchemas),
    ...Object.values(activityLogSchemas),
    ...Object.values(webhookSchemas),
  ]) {
    if ('$id' in schema) app.addSchema(schema);
  }
  const tokens = createTokenCodec(deriveKey(deps.secret, 'continuation tokens'));
  const rules = { purchaserRoles: config.purchaserRoles };
  const permissions = { db, rules, events: deps.events, tokens, now };

  if (deps.identity) await app.register(identityRoutes, { identity: deps.identity });
  await app.register(customers, { ...permissions, lists, sandbox: config.sandbox });
  for (const noun of [customerProfiles, customerUsers]) {
    await app.register(noun, { ...permissions, sandbox: config.sandbox });
  }
  await app.register(purchasePermissions, permissions);
  await app.register(purchaseGuards, permissions);
  await app.register(selfServePolicies, permissions);
  await app.register(subscriptions, permissions);
  await app.register(azureEntitlements, permissions);
  await app.register(products, permissions);
  await app.register(priceBook, permissions);
  await app.register(reservationCatalog, { ...permissions, publicUrl: config.publicUrl });
  await app.register(roleAssignments, { ...permissions, publicUrl: config.publicUrl });
  await app.register(reservations, { ...permissions, publicUrl: config.publicUrl });
  await app.register(agreements, permissions);
  await app.register(orders, permissions);
  await app.register(carts, permissions);
  await app.register(entitlements, permissions);
  const buying = { ...permissions, publicUrl: config.publicUrl, quoteMinutes: config.quoteMinutes };
  await app.register(purchases, buying);
  await app.register(orderApprovals, buying);
  const fees = config.refundFees.map(readRefundFee);
  await app.register(changeRequests, { ...permissions, fees });
  await app.register(refunds, { db, now, fees });
  await app.register(activityLog, { lists, tokens });
  await app.register(auditRecords, { db, lists, tokens, now });
  await app.register(webhookRegistrations, {
    ...permissions,
    sealKey: deriveKey(deps.secret, 'webhook keys'),
    targets: { allowPrivate: config.webhookAllowPrivateTargets },
  });
  await app.register(webhookValidation, permissions);
  return app;
}
