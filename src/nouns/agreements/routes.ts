import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import type { DatabaseHandle } from '../../db/connect.js';
import { ApiError } from '../../errors/api-error.js';
import { partnerCenterCollection, partnerCenterPage } from '../../http/paging.js';
import { refusals } from '../../http/responses.js';
import { lowerCaseUuid, ref, textEnum, Uuid } from '../../http/schemas.js';
import { READERS, WRITERS } from '../../plugins/authorization.js';
import { findMarket } from '../subscriptions/queries.js';
import { listAgreements } from './queries.js';
import { Agreement, AgreementCollection, AgreementCreate, AgreementMetaDataCollection } from './schemas.js';
import { confirmAgreement } from './service.js';
import { AGREEMENT_TYPES, type AgreementType, TEMPLATES } from './templates.js';
import { toAgreement } from './view.js';

export interface AgreementOptions {
  db: DatabaseHandle;
}

const Customer = Type.Object({ customer: Uuid });
const OfType = Type.Object({
  agreementType: Type.Optional(
    textEnum([...AGREEMENT_TYPES, '*'], {
      description: '`*`: every type. Default, for old clients: MicrosoftCloudAgreement.',
    }),
  ),
});

/** The type to list; undefined: every type. */
function typeOf(asked: AgreementType | '*' | undefined): AgreementType | undefined {
  return asked === '*' ? undefined : (asked ?? 'MicrosoftCloudAgreement');
}

/** Microsoft serves all of these with App+User authentication alone. */
export const agreements: FastifyPluginAsyncTypebox<AgreementOptions> = async (app, { db }) => {
  const tags = ['Agreements'];
  const readable = { access: { partner: READERS, appOnly: false } };
  const writable = { access: { partner: WRITERS, appOnly: false } };

  app.get(
    '/v1/agreements',
    {
      config: readable,
      schema: {
        tags,
        operationId: 'listAgreementMetaData',
        summary: 'List the agreements that customers can accept',
        querystring: OfType,
        response: { 200: ref(AgreementMetaDataCollection), ...refusals() },
      },
    },
    async (request) => {
      const type = typeOf(request.query.agreementType);
      return partnerCenterPage({
        items: TEMPLATES.filter((template) => type === undefined || template.agreementType === type),
        path: '/agreements',
        query: { agreementType: request.query.agreementType },
      });
    },
  );

  app.get(
    '/v1/customers/:customer/agreements',
    {
      config: readable,
      schema: {
        tags,
        operationId: 'listCustomerAgreements',
        summary: 'List the agreements that a customer accepted',
        description: 'As the partner confirmed them, the newest acceptance first, all in one answer.',
        params: Customer,
        querystring: OfType,
        response: { 200: ref(AgreementCollection), ...refusals() },
      },
    },
    async (request) => {
      const partnerId = request.caller.tenantId;
      const customerId = lowerCaseUuid(request.params.customer);
      const type = typeOf(request.query.agreementType);
      const [market, rows] = await db.lookUp(partnerId, (reading) =>
        Promise.all([findMarket(reading, partnerId, customerId), listAgreements(reading, partnerId, customerId, type)]),
      );
      if (market === undefined) throw new ApiError('CustomerNotFound');
      return partnerCenterCollection(rows.map(toAgreement));
    },
  );

  app.post(
    '/v1/customers/:customer/agreements',
    {
      config: writable,
      schema: {
        tags,
        operationId: 'confirmCustomerAgreement',
        summary: 'Confirm that a customer accepted an agreement',
        description: 'Another confirmation of the same type is taken of another contact only.',
        params: Customer,
        body: ref(AgreementCreate),
        response: { 201: ref(Agreement), ...refusals(409, 413, 415) },
      },
    },
    async (request, reply) => {
      const customerId = lowerCaseUuid(request.params.customer);
      return app.write(request, reply, request.caller.tenantId, async (tx, act, commitWith) => ({
        status: 201,
        body: await confirmAgreement(tx, act, commitWith, customerId, request.body),
      }));
    },
  );
};
