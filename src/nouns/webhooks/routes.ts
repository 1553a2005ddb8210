import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import type { DatabaseHandle } from '../../db/connect.js';
import { ApiError } from '../../errors/api-error.js';
import type { Events } from '../../events.js';
import { refusals } from '../../http/responses.js';
import { ref } from '../../http/schemas.js';
import { READERS, WRITERS } from '../../plugins/authorization.js';
import { type Act, nameOf } from '../../plugins/idempotency/plugin.js';
import { REGISTRABLE_EVENTS } from './event-names.js';
import { findRegistration } from './queries.js';
import { WebhookEventNames, WebhookRegistration, WebhookRegistrationUpdate } from './schemas.js';
import { createRegistration, removeRegistration, replaceRegistration } from './service.js';
import { ensureSigningKey } from './signing-keys.js';
import { checkTarget, type TargetRules } from './target.js';
import { toRegistration } from './view.js';

export interface WebhookOptions {
  db: DatabaseHandle;
  events: Events;
  /** Seals the keys that sign deliveries. 32 bytes. */
  sealKey: Buffer;
  targets: TargetRules;
  now: () => Date;
}

/** The partner's registration (https://learn.microsoft.com/partner-center/developer/partner-center-webhooks). */
export const webhookRegistrations: FastifyPluginAsyncTypebox<WebhookOptions> = async (app, options) => {
  const { db, events, sealKey, targets, now } = options;
  const tags = ['Webhooks'];
  const readable = { access: { partner: READERS } };
  const writable = { access: { partner: WRITERS } };

  /** What takes time is done before the transaction: a look-up of the name, the making of a key. */
  async function prepare(request: FastifyRequest, webhookUrl: string): Promise<void> {
    await checkTarget(webhookUrl, targets);
    await ensureSigningKey(db, sealKey, request.caller.tenantId, now());
  }

  function announce(act: Act, change: 'created' | 'updated' | 'deleted', webhookUrl?: string): void {
    const { partnerId, actor, requestId } = act;
    const host = webhookUrl === undefined ? {} : { host: new URL(webhookUrl).host };
    events.webhookRegistered({ partnerId, change, ...host, by: nameOf(actor), requestId });
  }

  app.get(
    '/webhooks/v1/registration',
    {
      config: readable,
      schema: {
        tags,
        operationId: 'getWebhookRegistration',
        summary: "Get the partner's webhook registration",
        response: { 200: ref(WebhookRegistration), ...refusals() },
      },
    },
    async (request) => {
      const { tenantId: partnerId } = request.caller;
      const row = await db.lookUp(partnerId, (reading) => findRegistration(reading, partnerId));
      if (!row) throw new ApiError('WebhookRegistrationNotFound');
      return toRegistration(row);
    },
  );

  app.post(
    '/webhooks/v1/registration',
    {
      config: writable,
      schema: {
        tags,
        operationId: 'createWebhookRegistration',
        summary: 'Register for events',
        description:
          'One registration a partner. Events come as POST with a signature by the certificate of `X-MS-Certificate-Url`, at least once, in order within a customer.',
        body: ref(WebhookRegistrationUpdate),
        response: { 200: ref(WebhookRegistration), ...refusals(409, 413, 415) },
      },
    },
    async (request, reply) => {
      const { body } = request;
      await prepare(request, body.WebhookUrl);
      return app.write(request, reply, request.caller.tenantId, async (tx, act) => {
        const row = await createRegistration(tx, act, body);
        return { status: 200, body: toRegistration(row), committed: () => announce(act, 'created', row.webhook_url) };
      });
    },
  );

  app.put(
    '/webhooks/v1/registration',
    {
      config: writable,
      schema: {
        tags,
        operationId: 'updateWebhookRegistration',
        summary: 'Replace the webhook registration',
        description: 'What waits goes to the new address; events that are no longer named are not sent.',
        body: ref(WebhookRegistrationUpdate),
        response: { 200: ref(WebhookRegistration), ...refusals(409, 413, 415) },
      },
    },
    async (request, reply) => {
      const { body } = request;
      await prepare(request, body.WebhookUrl);
      return app.write(request, reply, request.caller.tenantId, async (tx, act) => {
        const row = await replaceRegistration(tx, act, body);
        return { status: 200, body: toRegistration(row), committed: () => announce(act, 'updated', row.webhook_url) };
      });
    },
  );

  app.delete(
    '/webhooks/v1/registration',
    {
      config: writable,
      schema: {
        tags,
        operationId: 'deleteWebhookRegistration',
        summary: 'End the webhook registration',
        description: 'Nothing is sent any more; what waits is forgotten.',
        response: { 204: Type.Null({ description: 'Ended.' }), ...refusals(409, 413, 415) },
      },
    },
    async (request, reply) =>
      app.write(request, reply, request.caller.tenantId, async (tx, act) => {
        await removeRegistration(tx, act);
        return { status: 204, committed: () => announce(act, 'deleted') };
      }),
  );

  app.get(
    '/webhooks/v1/registration/events',
    {
      config: readable,
      schema: {
        tags,
        operationId: 'listWebhookEvents',
        summary: 'List the events that can be registered for',
        response: { 200: ref(WebhookEventNames), ...refusals() },
      },
    },
    async () => [...REGISTRABLE_EVENTS],
  );
};
