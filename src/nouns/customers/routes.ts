import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { batchByKey } from '../../db/batch-by-key.js';
import type { DatabaseHandle } from '../../db/connect.js';
import type { Lists } from '../../db/replica.js';
import { ApiError } from '../../errors/api-error.js';
import type { Events } from '../../events.js';
import { maybeOld, sayAsOf } from '../../http/as-of.js';
import type { TokenCodec } from '../../http/continuation-token.js';
import { type FilterFields, parseFilter } from '../../http/filter.js';
import { openPage, pagingQuery } from '../../http/page-tokens.js';
import { partnerCenterPage } from '../../http/paging.js';
import { refusals } from '../../http/responses.js';
import { lowerCaseUuid, ref, Uuid } from '../../http/schemas.js';
import { READERS, WRITERS } from '../../plugins/authorization.js';
import { announceEligibility, type PermissionRules } from '../purchase-permissions/service.js';
import { createCustomer } from './create-customer.js';
import {
  type ListOrder,
  type ListPosition,
  listCustomers,
  loadCustomers,
  orderOf,
  type StartsWith,
} from './queries.js';
import { Customer, CustomerCollection, CustomerCreate, CustomerUpdate } from './schemas.js';
import { deleteCustomer, endRelations } from './service.js';
import { toCustomer, toPartialCustomer } from './view.js';

export interface CustomerOptions {
  db: DatabaseHandle;
  rules: PermissionRules;
  events: Events;
  tokens: TokenCodec;
  /** Integration sandbox: customers can be deleted. */
  sandbox: boolean;
  now: () => Date;
}

const One = Type.Object({ customer: Uuid });
const COLUMNS: Readonly<Record<string, StartsWith['column']>> = {
  CompanyName: 'company_name_key',
  Domain: 'domain',
  IndirectReseller: 'associated_partner_id',
  IndirectCloudSolutionProvider: 'associated_partner_id',
};
const FIELDS: FilterFields = new Map(Object.keys(COLUMNS).map((field) => [field, { operators: ['starts_with'] }]));
export const MAX_PAGE = 500;

interface Query {
  size?: number;
  filter?: string;
}

/** Where a page ends. A token of an earlier version has no order: it means that of names. */
interface Position extends ListPosition {
  order?: ListOrder;
}

function readFilter(text: string): StartsWith | undefined {
  const { field, value } = parseFilter(text, FIELDS);
  const column = COLUMNS[field];
  return column && { column, prefix: value.toLowerCase() };
}

export const customers: FastifyPluginAsyncTypebox<CustomerOptions & { lists: Lists }> = async (app, options) => {
  const { db, lists, rules, events, tokens, sandbox, now } = options;
  const findCustomer = batchByKey(db.lookUpAlone, loadCustomers);
  const tags = ['Customers'];
  const readable = { access: { partner: READERS } };
  const writable = { access: { partner: WRITERS } };

  app.get(
    '/v1/customers',
    {
      config: readable,
      schema: {
        tags,
        operationId: 'listCustomers',
        summary: "List the partner's customers by company name",
        description: 'With a filter on Domain by domain.',
        querystring: Type.Object({
          size: Type.Optional(
            Type.Integer({ minimum: 0, maximum: MAX_PAGE, default: MAX_PAGE, description: '0: the default.' }),
          ),
          filter: Type.Optional(
            Type.String({
              description:
                'JSON: Field CompanyName, Domain, IndirectReseller or IndirectCloudSolutionProvider; Operator starts_with.',
              examples: ['{"Field":"CompanyName","Value":"cont","Operator":"starts_with"}'],
            }),
          ),
          ...pagingQuery,
        }),
        response: { 200: maybeOld(ref(CustomerCollection)), ...refusals() },
      },
    },
    async (request, reply) => {
      const partnerId = request.caller.tenantId;
      const page = openPage<Query, Position>(tokens, request, 'listCustomers', ['size', 'filter']);
      const { filter } = page.query;
      const size = page.query.size || MAX_PAGE;
      const startsWith = filter === undefined ? undefined : readFilter(filter);
      const order = orderOf(startsWith?.column);
      if (page.position && (page.position.order ?? 'company_name_key') !== order) {
        throw new ApiError('InvalidInput', {
          description: 'The continuation token is of an order that is not kept any more. Start again without it.',
        });
      }
      const list = lists.begin();
      // No index has the resellers: who looks for one does not keep others waiting.
      const how = startsWith?.column === 'associated_partner_id' ? 'read' : 'lookUp';
      const rows = await list[how](partnerId, (reading) =>
        listCustomers(reading, partnerId, {
          ...(startsWith && { startsWith }),
          ...(page.position && { after: page.position }),
          limit: size + 1,
        }),
      );
      sayAsOf(reply, list.asOf);
      const shown = rows.slice(0, size);
      const last = rows.length > size ? shown.at(-1) : undefined;
      return partnerCenterPage({
        items: shown.map(toPartialCustomer),
        path: '/customers',
        query: { size: page.query.size, filter },
        nextToken: last && page.seal({ key: last[order], customerId: last.customer_id, order }),
      });
    },
  );

  app.get(
    '/v1/customers/:customer',
    {
      config: readable,
      schema: {
        tags,
        operationId: 'getCustomer',
        summary: 'Get a customer',
        params: One,
        response: { 200: ref(Customer), ...refusals() },
      },
    },
    async (request) => {
      const partnerId = request.caller.tenantId;
      const customerId = lowerCaseUuid(request.params.customer);
      const row = await findCustomer(partnerId, customerId);
      if (!row) throw new ApiError('CustomerNotFound');
      return toCustomer(row);
    },
  );

  app.post(
    '/v1/customers',
    {
      config: writable,
      schema: {
        tags,
        operationId: 'createCustomer',
        summary: 'Create a customer',
        description: 'The answer alone holds the password of the first administrator.',
        body: ref(CustomerCreate),
        response: { 201: ref(Customer), ...refusals(409, 413, 415) },
      },
    },
    async (request, reply) =>
      app.write(request, reply, request.caller.tenantId, async (tx, act, commitWith) => ({
        status: 201,
        body: await createCustomer(tx, act, commitWith, request.body, now()),
      })),
  );

  app.patch(
    '/v1/customers/:customer',
    {
      // App+User only (https://learn.microsoft.com/partner-center/developer/remove-a-reseller-relationship-with-a-customer).
      config: { access: { partner: WRITERS, appOnly: false } },
      schema: {
        tags,
        operationId: 'updateCustomer',
        summary: 'End the relationship with a customer, or the delegated access to it',
        description:
          'Every subscription has to be suspended before the relationship can end; its purchase permissions lapse with it.',
        params: One,
        body: ref(CustomerUpdate),
        response: { 200: ref(Customer), ...refusals(409, 413, 415) },
      },
    },
    async (request, reply) => {
      const partnerId = request.caller.tenantId;
      const customerId = lowerCaseUuid(request.params.customer);
      return app.write(request, reply, partnerId, async (tx, act, commitWith) => {
        const change = await endRelations(tx, act, commitWith, rules, customerId, request.body);
        return {
          status: 200,
          body: toCustomer(change.customer),
          committed: () => announceEligibility(events, partnerId, customerId, change.eligibility),
        };
      });
    },
  );

  app.delete(
    '/v1/customers/:customer',
    {
      config: writable,
      schema: {
        tags,
        operationId: 'deleteCustomer',
        summary: 'Delete a customer of the integration sandbox',
        params: One,
        response: { 204: Type.Null({ description: 'Deleted.' }), ...refusals(409, 413, 415) },
      },
    },
    async (request, reply) => {
      if (!sandbox) throw new ApiError('NotInProduction');
      const partnerId = request.caller.tenantId;
      const customerId = lowerCaseUuid(request.params.customer);
      return app.write(request, reply, partnerId, async (tx, act, commitWith) => {
        const change = await deleteCustomer(tx, act, commitWith, rules, customerId);
        return {
          status: 204,
          committed: () => announceEligibility(events, partnerId, customerId, change.eligibility),
        };
      });
    },
  );
};
