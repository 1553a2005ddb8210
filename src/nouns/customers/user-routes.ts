import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { ApiError } from '../../errors/api-error.js';
import { type FilterFields, parseFilter } from '../../http/filter.js';
import { openPage, pagingQuery } from '../../http/page-tokens.js';
import { partnerCenterPage } from '../../http/paging.js';
import { refusals } from '../../http/responses.js';
import { lowerCaseUuid, ref, textEnum, Uuid } from '../../http/schemas.js';
import { READERS, WRITERS } from '../../plugins/authorization.js';
import { announceEligibility } from '../purchase-permissions/service.js';
import { findCustomer } from './queries.js';
import { type CustomerOptions, MAX_PAGE } from './routes.js';
import { findUser, listUsers, type UserPage, type UserPosition } from './user-queries.js';
import { CustomerUser, CustomerUserCollection, CustomerUserCreate, CustomerUserUpdate } from './user-schemas.js';
import { changeUser, createUser, deleteUser, purgedBefore } from './user-service.js';
import { toCustomerUser } from './user-view.js';

const Customer = Type.Object({ customer: Uuid });
const One = Type.Object({ customer: Uuid, user: Uuid });
const FIELDS: FilterFields = new Map([['UserState', { operators: ['equals'] }]]);

interface Query {
  size?: number;
  filter?: string;
  sortField?: 'DisplayName';
  sortDirection?: 'Ascending' | 'Descending';
}

/** `UserState` equals `Inactive`: the deleted users (learn.microsoft.com/partner-center/developer/view-a-deleted-user). */
function asksForDeleted(filter: string | undefined): boolean {
  if (filter === undefined) return false;
  const value = parseFilter(filter, FIELDS).value.toLowerCase();
  if (value === 'active' || value === 'inactive') return value === 'inactive';
  throw new ApiError('InvalidInput', { description: 'UserState is Active or Inactive.' });
}

function readPage(query: Query, position: UserPosition | undefined, now: Date): UserPage & { size: number } {
  const size = query.size || MAX_PAGE;
  return {
    size,
    limit: size + 1,
    sort: query.sortField === undefined ? 'id' : 'displayName',
    descending: query.sortDirection === 'Descending',
    ...(asksForDeleted(query.filter) && { deletedSince: purgedBefore(now) }),
    ...(position && { after: position }),
  };
}

/** The users of a customer's directory. App+User only, as in the original. */
export const customerUsers: FastifyPluginAsyncTypebox<CustomerOptions> = async (app, options) => {
  const { db, rules, events, tokens, now } = options;
  const tags = ['Customer users'];
  const readable = { access: { partner: READERS, appOnly: false } };
  const writable = { access: { partner: WRITERS, appOnly: false } };

  app.get(
    '/v1/customers/:customer/users',
    {
      config: readable,
      schema: {
        tags,
        operationId: 'listCustomerUsers',
        summary: "List a customer's users, or those deleted less than 30 days ago",
        params: Customer,
        querystring: Type.Object({
          size: Type.Optional(
            Type.Integer({ minimum: 0, maximum: MAX_PAGE, default: MAX_PAGE, description: '0: the default.' }),
          ),
          filter: Type.Optional(
            Type.String({
              description: 'JSON: Field UserState, Operator equals, Value Active or Inactive (deleted).',
              examples: ['{"Field":"UserState","Value":"Inactive","Operator":"equals"}'],
            }),
          ),
          sortField: Type.Optional(textEnum(['DisplayName'], { description: 'Default: by id.' })),
          sortDirection: Type.Optional(textEnum(['Ascending', 'Descending'])),
          ...pagingQuery,
        }),
        response: { 200: ref(CustomerUserCollection), ...refusals() },
      },
    },
    async (request) => {
      const partnerId = request.caller.tenantId;
      const customerId = lowerCaseUuid(request.params.customer);
      const page = openPage<Query, UserPosition>(tokens, request, `listCustomerUsers ${customerId}`, [
        'size',
        'filter',
        'sortField',
        'sortDirection',
      ]);
      const wanted = readPage(page.query, page.position, now());
      const [customer, rows] = await db.lookUp(partnerId, (reading) =>
        Promise.all([findCustomer(reading, partnerId, customerId), listUsers(reading, partnerId, customerId, wanted)]),
      );
      if (!customer) throw new ApiError('CustomerNotFound');
      const shown = rows.slice(0, wanted.size);
      const last = rows.length > wanted.size ? shown.at(-1) : undefined;
      return partnerCenterPage({
        items: shown.map(toCustomerUser),
        path: `/customers/${customerId}/users`,
        query: { ...page.query },
        nextToken: last && page.seal({ key: last.sort_key, userId: last.user_id }),
      });
    },
  );

  app.post(
    '/v1/customers/:customer/users',
    {
      config: writable,
      schema: {
        tags,
        operationId: 'createCustomerUser',
        summary: 'Create a user of a customer',
        params: Customer,
        body: ref(CustomerUserCreate),
        response: { 201: ref(CustomerUser), ...refusals(409, 413, 415) },
      },
    },
    async (request, reply) => {
      const customerId = lowerCaseUuid(request.params.customer);
      const forceChangePassword = request.body.passwordProfile?.forceChangePassword;
      return app.write(request, reply, request.caller.tenantId, async (tx, act, commitWith) => ({
        status: 201,
        body: {
          ...toCustomerUser(await createUser(tx, act, commitWith, customerId, request.body)),
          ...(forceChangePassword !== undefined && { passwordProfile: { forceChangePassword } }),
        },
      }));
    },
  );

  app.get(
    '/v1/customers/:customer/users/:user',
    {
      config: readable,
      schema: {
        tags,
        operationId: 'getCustomerUser',
        summary: 'Get a user of a customer',
        description: 'A deleted user is not found; the list has those that can be restored.',
        params: One,
        response: { 200: ref(CustomerUser), ...refusals() },
      },
    },
    async (request) => {
      const partnerId = request.caller.tenantId;
      const customerId = lowerCaseUuid(request.params.customer);
      const userId = lowerCaseUuid(request.params.user);
      const [customer, user] = await db.lookUp(partnerId, (reading) =>
        Promise.all([findCustomer(reading, partnerId, customerId), findUser(reading, partnerId, customerId, userId)]),
      );
      if (!customer) throw new ApiError('CustomerNotFound');
      if (!user || user.deleted_on !== null) throw new ApiError('UserNotFound');
      return toCustomerUser(user);
    },
  );

  app.patch(
    '/v1/customers/:customer/users/:user',
    {
      config: writable,
      schema: {
        tags,
        operationId: 'updateCustomerUser',
        summary: 'Change, disable, enable or restore a user of a customer',
        description: "Purchase permissions that rest on the user's role lapse or come back with it.",
        params: One,
        body: ref(CustomerUserUpdate),
        response: { 200: ref(CustomerUser), ...refusals(409, 413, 415) },
      },
    },
    async (request, reply) => {
      const partnerId = request.caller.tenantId;
      const customerId = lowerCaseUuid(request.params.customer);
      const userId = lowerCaseUuid(request.params.user);
      return app.write(request, reply, partnerId, async (tx, act, commitWith) => {
        const change = await changeUser(tx, act, commitWith, rules, customerId, userId, request.body);
        return {
          status: 200,
          body: toCustomerUser(change.user),
          committed: () => announceEligibility(events, partnerId, customerId, change.eligibility),
        };
      });
    },
  );

  app.delete(
    '/v1/customers/:customer/users/:user',
    {
      config: writable,
      schema: {
        tags,
        operationId: 'deleteCustomerUser',
        summary: 'Delete a user of a customer',
        description: 'The user can be restored for 30 days.',
        params: One,
        response: { 204: Type.Null({ description: 'Deleted.' }), ...refusals(409, 413, 415) },
      },
    },
    async (request, reply) => {
      const partnerId = request.caller.tenantId;
      const customerId = lowerCaseUuid(request.params.customer);
      const userId = lowerCaseUuid(request.params.user);
      return app.write(request, reply, partnerId, async (tx, act, commitWith) => {
        const change = await deleteUser(tx, act, commitWith, rules, customerId, userId);
        return {
          status: 204,
          committed: () => announceEligibility(events, partnerId, customerId, change.eligibility),
        };
      });
    },
  );
};
