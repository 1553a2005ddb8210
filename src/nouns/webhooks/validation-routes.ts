import { X509Certificate } from 'node:crypto';
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { ApiError } from '../../errors/api-error.js';
import { refusals } from '../../http/responses.js';
import { lowerCaseUuid, ref, Uuid } from '../../http/schemas.js';
import { READERS, WRITERS } from '../../plugins/authorization.js';
import { findCertificate } from './queries.js';
import type { WebhookOptions } from './routes.js';
import { WebhookValidation, WebhookValidationEvent } from './schemas.js';
import { createValidationEvent, getValidationEvent } from './service.js';

const CERTIFICATE_TYPE = 'application/pkix-cert';

/** Test events, and the certificates that deliveries are checked with. */
export const webhookValidation: FastifyPluginAsyncTypebox<Pick<WebhookOptions, 'db'>> = async (app, { db }) => {
  const tags = ['Webhooks'];

  app.post(
    '/webhooks/v1/registration/validationEvents',
    {
      config: { access: { partner: WRITERS } },
      schema: {
        tags,
        operationId: 'createWebhookValidationEvent',
        summary: 'Send a test event to the registered address',
        description: 'The registration has to name `test-created`. Two a minute. The body is empty, `null` or `{}`.',
        response: { 200: ref(WebhookValidation), ...refusals(409, 413, 415) },
      },
    },
    async (request, reply) =>
      app.write(request, reply, request.caller.tenantId, async (tx, act, commitWith) => ({
        status: 200,
        body: { correlationId: await createValidationEvent(tx, act, commitWith) },
      })),
  );

  app.get(
    '/webhooks/v1/registration/validationEvents/:correlationId',
    {
      config: { access: { partner: READERS } },
      schema: {
        tags,
        operationId: 'getWebhookValidationEvent',
        summary: 'Get what became of a test event',
        params: Type.Object({ correlationId: Uuid }),
        response: { 200: ref(WebhookValidationEvent), ...refusals() },
      },
    },
    async (request) => {
      const { tenantId: partnerId } = request.caller;
      const correlationId = lowerCaseUuid(request.params.correlationId);
      return db.lookUp(partnerId, (reading) => getValidationEvent(reading, partnerId, correlationId));
    },
  );

  app.get(
    '/webhooks/v1/certificates/:partner/:key',
    {
      config: { access: 'public', produces: [CERTIFICATE_TYPE] },
      schema: {
        tags,
        operationId: 'getWebhookCertificate',
        summary: 'Get the certificate that deliveries are signed with',
        description: 'The address that `X-MS-Certificate-Url` names. DER; it never changes.',
        params: Type.Object({ partner: Uuid, key: Uuid }),
        response: {
          200: {
            description: 'X.509, self-signed.',
            content: { [CERTIFICATE_TYPE]: { schema: Type.Unsafe<Buffer>({ type: 'string', format: 'binary' }) } },
          },
          ...refusals(),
        },
      },
    },
    async (request, reply) => {
      const partnerId = lowerCaseUuid(request.params.partner);
      const keyId = lowerCaseUuid(request.params.key);
      const certificate = await db.lookUp(partnerId, (reading) => findCertificate(reading, partnerId, keyId));
      if (certificate === undefined) throw new ApiError('NotFound');
      return reply
        .type(CERTIFICATE_TYPE)
        .header('Cache-Control', 'public, max-age=86400, immutable')
        .send(new X509Certificate(certificate).raw);
    },
  );
};
