import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { ApiError } from '../../errors/api-error.js';
import { refusals } from '../../http/responses.js';
import { lowerCaseUuid, ref, Uuid } from '../../http/schemas.js';
import { READERS, WRITERS } from '../../plugins/authorization.js';
import { announceEligibility } from '../purchase-permissions/service.js';
import { fullDomain } from './domains.js';
import { domainIsTaken, findCustomer } from './queries.js';
import type { CustomerOptions } from './routes.js';
import { CustomerBillingProfile, CustomerBillingProfileUpdate, CustomerCompanyProfile } from './schemas.js';
import { replaceBillingProfile } from './service.js';
import { toBillingProfile, toCompanyProfile } from './view.js';

const One = Type.Object({ customer: Uuid });

/** The profiles of a customer, and whether a domain is free for a new one. */
export const customerProfiles: FastifyPluginAsyncTypebox<CustomerOptions> = async (app, options) => {
  const { db, rules, events } = options;
  const tags = ['Customers'];
  const readable = { access: { partner: READERS } };

  async function getCustomer(partnerId: string, id: string) {
    const customerId = lowerCaseUuid(id);
    const row = await db.lookUp(partnerId, (reading) => findCustomer(reading, partnerId, customerId));
    if (!row) throw new ApiError('CustomerNotFound');
    return row;
  }

  app.get(
    '/v1/customers/:customer/profiles/billing',
    {
      config: readable,
      schema: {
        tags,
        operationId: 'getCustomerBillingProfile',
        summary: "Get a customer's billing profile",
        params: One,
        response: { 200: ref(CustomerBillingProfile), ...refusals() },
      },
    },
    async (request) => toBillingProfile(await getCustomer(request.caller.tenantId, request.params.customer)),
  );

  app.put(
    '/v1/customers/:customer/profiles/billing',
    {
      config: { access: { partner: WRITERS } },
      schema: {
        tags,
        operationId: 'updateCustomerBillingProfile',
        summary: "Replace a customer's billing profile",
        description:
          'Needs the etag read last, as `If-Match` in quotes (stale: 412) or as `attributes.etag` (stale: 400 with code 2055). The country of the address is the market: purchase permissions can lapse by it.',
        params: One,
        headers: Type.Object({
          'if-match': Type.Optional(Type.String({ description: 'The etag read last, in quotes.' })),
        }),
        body: ref(CustomerBillingProfileUpdate),
        response: { 200: ref(CustomerBillingProfile), ...refusals(409, 412, 413, 415, 428) },
      },
    },
    async (request, reply) => {
      const partnerId = request.caller.tenantId;
      const customerId = lowerCaseUuid(request.params.customer);
      const { body: wanted } = request;
      const ifMatch = request.headers['if-match'];
      if (ifMatch === undefined && wanted.attributes?.etag === undefined) throw new ApiError('PreconditionRequired');
      return app.write(request, reply, partnerId, async (tx, act, commitWith) => {
        const change = await replaceBillingProfile(tx, act, commitWith, rules, customerId, { wanted, ifMatch });
        return {
          status: 200,
          body: toBillingProfile(change.customer),
          committed: () => announceEligibility(events, partnerId, customerId, change.eligibility),
        };
      });
    },
  );

  app.get(
    '/v1/customers/:customer/profiles/company',
    {
      config: readable,
      schema: {
        tags,
        operationId: 'getCustomerCompanyProfile',
        summary: "Get a customer's company profile",
        params: One,
        response: { 200: ref(CustomerCompanyProfile), ...refusals() },
      },
    },
    async (request) => toCompanyProfile(await getCustomer(request.caller.tenantId, request.params.customer)),
  );

  app.route({
    // A list, because @fastify/swagger leaves a lone HEAD out or renames its operation.
    method: ['HEAD'],
    url: '/v1/domains/:domain',
    config: readable,
    schema: {
      tags,
      operationId: 'checkDomain',
      summary: 'Check whether a domain is taken by a customer of the partner',
      params: Type.Object({
        domain: Type.String({ pattern: '^[A-Za-z0-9.-]{1,253}$', description: '`{name}.onmicrosoft.com`' }),
      }),
      response: {
        ...refusals(),
        200: Type.Null({ description: 'Taken.' }),
        404: Type.Null({ description: 'Free.' }),
      },
    },
    handler: async (request, reply) => {
      const partnerId = request.caller.tenantId;
      const domain = fullDomain(request.params.domain);
      const taken = await db.lookUp(partnerId, (reading) => domainIsTaken(reading, partnerId, domain));
      return reply.code(taken ? 200 : 404).send(null);
    },
  });
};
