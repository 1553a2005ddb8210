import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { type Static, Type } from 'typebox';
import { batchByKey } from '../../db/batch-by-key.js';
import type { PermissionResource } from '../../db/tables.js';
import { ApiError } from '../../errors/api-error.js';
import { matches, parseIfMatch } from '../../http/etag.js';
import { openPage, pagingQuery } from '../../http/page-tokens.js';
import { partnerCenterCollection, partnerCenterPage } from '../../http/paging.js';
import { refusals } from '../../http/responses.js';
import { lowerCaseUuid, ref, Uuid } from '../../http/schemas.js';
import { READERS, WRITERS } from '../../plugins/authorization.js';
import type { Outcome } from '../../plugins/idempotency/plugin.js';
import { listPolicyRows, loadCustomerPermissions, type PermissionRow } from './queries.js';
import { announce, type PurchasePermissionOptions } from './routes.js';
import { SelfServePolicy, SelfServePolicyCollection, SelfServePolicyCreate, SelfServePolicyUpdate } from './schemas.js';
import { customerOfPolicy, policyEtag, policyId, sameEtag, toPolicy } from './self-serve-policy.js';
import { type SwitchResult, switchPermissions } from './service.js';

const Id = Type.Object({
  id: Type.String({ maxLength: 200, description: '`{partner tenant id}_{customer tenant id}`' }),
});
const IfMatch = Type.Object({
  'if-match': Type.Optional(Type.String({ description: 'Etag as read last; the original does not use it.' })),
});
const POLICIES_PER_PAGE = 500;
/** App+User only, as in the original (https://learn.microsoft.com/partner-center/developer/create-a-self-serve-policy). */
const readers = { access: { partner: READERS, appOnly: false } };
const writers = { access: { partner: WRITERS, appOnly: false } };

type Body = Static<typeof SelfServePolicyCreate>;

/** The customer the body names, once its grantor is the caller. */
function customerOfBody(body: Body, partnerId: string): string {
  const customerId = lowerCaseUuid(body.selfServeEntity.tenantID);
  if (lowerCaseUuid(body.grantor.tenantID) !== partnerId) {
    throw new ApiError('ActionNotAllowed', {
      data: [
        'grantor.tenantID is another partner than the caller. Send the tenant id of the partner whose token it is.',
      ],
    });
  }
  if (customerId === partnerId) {
    throw new ApiError('InvalidCustomerId', {
      description: 'selfServeEntity.tenantID is the partner itself. Name a customer.',
    });
  }
  return customerId;
}

/** Partner Center's five operations: a view of the same rows as the purchase permissions. */
export const selfServePolicies: FastifyPluginAsyncTypebox<PurchasePermissionOptions> = async (app, options) => {
  const { db, rules, events, tokens } = options;
  const findPermissions = batchByKey(db.lookUpAlone, loadCustomerPermissions);
  const tags = ['Self-serve policies'];

  app.get(
    '/v1/SelfServePolicy',
    {
      config: readers,
      schema: {
        tags,
        operationId: 'listSelfServePolicies',
        summary: "List self-serve policies: a customer's, or all",
        description:
          'With `entity_id` at most one; without it every policy of the partner (the original documents none).',
        querystring: Type.Object({ entity_id: Type.Optional(Uuid), ...pagingQuery }),
        response: { 200: ref(SelfServePolicyCollection), ...refusals() },
      },
    },
    async (request) => {
      const partnerId = request.caller.tenantId;
      const entity = request.query.entity_id;
      if (entity !== undefined) {
        const customerId = lowerCaseUuid(entity);
        const rows = await findPermissions(partnerId, customerId);
        return partnerCenterCollection(listPolicies(rows ?? []));
      }
      const page = openPage<Record<string, never>, string>(tokens, request, 'listSelfServePolicies', []);
      const rows = await db.lookUp(partnerId, (reading) =>
        listPolicyRows(reading, partnerId, {
          ...(page.position !== undefined && { after: page.position }),
          customers: POLICIES_PER_PAGE + 1,
        }),
      );
      const policies = listPolicies(rows);
      const shown = policies.slice(0, POLICIES_PER_PAGE);
      const last = policies.length > POLICIES_PER_PAGE ? shown.at(-1)?.selfServeEntity.tenantID : undefined;
      return partnerCenterPage({
        items: shown,
        path: '/SelfServePolicy',
        query: {},
        nextToken: last === undefined ? undefined : page.seal(last),
      });
    },
  );

  app.get(
    '/v1/SelfServePolicy/:id',
    {
      config: readers,
      schema: {
        tags,
        operationId: 'getSelfServePolicy',
        summary: 'Get a self-serve policy',
        params: Id,
        response: { 200: ref(SelfServePolicy), ...refusals() },
      },
    },
    async (request) => {
      const partnerId = request.caller.tenantId;
      const customerId = customerOfPolicy(request.params.id, partnerId);
      const rows = await findPermissions(partnerId, customerId);
      const policy = toPolicy(rows ?? []);
      if (!policy) throw new ApiError('SelfServePolicyNotFound');
      return policy;
    },
  );

  app.post(
    '/v1/SelfServePolicy',
    {
      config: writers,
      schema: {
        tags,
        operationId: 'createSelfServePolicy',
        summary: 'Create a self-serve policy: turn permissions on',
        body: ref(SelfServePolicyCreate),
        response: { 201: ref(SelfServePolicy), ...refusals(409, 413, 415) },
      },
    },
    async (request, reply) => {
      const partnerId = request.caller.tenantId;
      const customerId = customerOfBody(request.body, partnerId);
      const wanted = resources(request.body);
      return app.write(request, reply, partnerId, async (tx, act, commitWith) => {
        const result = await switchPermissions(tx, act, commitWith, rules, {
          customerId,
          admitTurningOn: () => app.limitSwitches(request),
          wanted: () => wanted,
          precondition: (rows) => {
            if (toPolicy(rows)) throw new ApiError('SelfServePolicyExists');
          },
        });
        return outcome(201, partnerId, customerId, result);
      });
    },
  );

  async function put(
    request: Parameters<typeof app.write>[0] & { body: Static<typeof SelfServePolicyUpdate> },
    reply: Parameters<typeof app.write>[1],
    id: string | undefined,
  ) {
    const { body } = request;
    const partnerId = request.caller.tenantId;
    if (id === undefined) throw new ApiError('SelfServePolicyIdIncorrect');
    const customerId = customerOfPolicy(id, partnerId);
    const named = customerOfBody(body, partnerId);
    const sameId = body.id === undefined || body.id.toLowerCase() === policyId(partnerId, customerId);
    if (named !== customerId || !sameId) throw new ApiError('SelfServePolicyIdIncorrect');
    const wanted = resources(body);
    return app.write(request, reply, partnerId, async (tx, act, commitWith) => {
      const result = await switchPermissions(tx, act, commitWith, rules, {
        customerId,
        admitTurningOn: () => app.limitSwitches(request),
        wanted: () => wanted,
        precondition: (rows) => {
          demandPolicy(rows, request.headers['if-match']);
          if (!sameEtag(body.attributes.etag, policyEtag(rows))) throw new ApiError('StaleEtag');
        },
      });
      return outcome(200, partnerId, customerId, result);
    });
  }

  const putSchema = {
    tags,
    summary: 'Update a self-serve policy',
    description: 'The whole policy with the etag read last in `attributes.etag`: a stale one is 400 with code 2055.',
    headers: IfMatch,
    body: ref(SelfServePolicyUpdate),
    response: { 200: ref(SelfServePolicy), ...refusals(409, 412, 413, 415) },
  };
  app.put(
    '/v1/SelfServePolicy/:id',
    { config: writers, schema: { ...putSchema, operationId: 'updateSelfServePolicy', params: Id } },
    (request, reply) => put(request, reply, request.params.id),
  );
  app.put(
    '/v1/SelfServePolicy',
    {
      config: writers,
      schema: {
        ...putSchema,
        operationId: 'updateSelfServePolicyByBody',
        summary: 'Update a self-serve policy, the id in the body alone',
      },
    },
    (request, reply) => put(request, reply, request.body.id),
  );

  app.delete(
    '/v1/SelfServePolicy/:id',
    {
      config: writers,
      schema: {
        tags,
        operationId: 'deleteSelfServePolicy',
        summary: 'Delete a self-serve policy: turn every permission off',
        params: Id,
        headers: IfMatch,
        response: { 204: Type.Null({ description: 'Off.' }), ...refusals(409, 412, 413, 415) },
      },
    },
    async (request, reply) => {
      const partnerId = request.caller.tenantId;
      const customerId = customerOfPolicy(request.params.id, partnerId);
      return app.write(request, reply, partnerId, async (tx, act, commitWith) => {
        const result = await switchPermissions(tx, act, commitWith, rules, {
          customerId,
          wanted: () => new Set(),
          precondition: (rows) => demandPolicy(rows, request.headers['if-match']),
        }).catch(hideCustomer);
        return { status: 204, committed: () => announce(events, partnerId, customerId, result) };
      });
    },
  );

  function outcome(status: number, partnerId: string, customerId: string, result: SwitchResult): Outcome {
    return { status, body: toPolicy(result.after), committed: () => announce(events, partnerId, customerId, result) };
  }
};

/** A policy of a customer that is not there is not there either: GET and DELETE by policy id tell the two alike. */
function hideCustomer(error: unknown): never {
  if (error instanceof ApiError && error.errorName === 'CustomerNotFound')
    throw new ApiError('SelfServePolicyNotFound');
  throw error;
}

function demandPolicy(rows: readonly PermissionRow[], ifMatch: string | undefined): void {
  const policy = toPolicy(rows);
  if (!policy) throw new ApiError('SelfServePolicyNotFound');
  if (ifMatch !== undefined && !matches(parseIfMatch(ifMatch), policy.attributes.etag)) {
    throw new ApiError('PreconditionFailed');
  }
}

function resources(body: Body): ReadonlySet<PermissionResource> {
  const named = body.permissions.map((permission) => permission.resource);
  if (new Set(named).size === named.length) return new Set(named);
  throw new ApiError('InvalidProperty', { data: ['body/permissions names a resource twice. Name it once.'] });
}

function listPolicies(rows: readonly PermissionRow[]): SelfServePolicy[] {
  const byCustomer = new Map<string, PermissionRow[]>();
  for (const row of rows) byCustomer.set(row.customer_id, [...(byCustomer.get(row.customer_id) ?? []), row]);
  return [...byCustomer.values()].flatMap((own) => toPolicy(own) ?? []);
}
