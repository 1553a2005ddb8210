import { STATUS_CODES } from 'node:http';
import type { DeliveryResult } from '../../db/purchase-tables.js';
import type { EventRow } from './event-queries.js';
import type { RegistrationRow } from './queries.js';
import type { WebhookRegistration, WebhookResponse, WebhookValidationEvent } from './schemas.js';

export function toRegistration(row: RegistrationRow): WebhookRegistration {
  return {
    SubscriberId: row.subscriber_id,
    WebhookUrl: row.webhook_url,
    WebhookEvents: row.webhook_events as WebhookRegistration['WebhookEvents'],
    SignatureTokenToMsSignatureHeader: row.signature_to_ms_signature_header,
  };
}

const STATUSES = { waiting: 'pending', delivered: 'completed', failed: 'failed' } as const;

/** `InternalServerError` for 500: the names of HttpStatusCode are those of the statuses without blanks and hyphens. */
function statusName(code: number): string {
  return (STATUS_CODES[code] ?? String(code)).replaceAll(/\W/g, '');
}

function toResponse({ attemptedOn, responseCode, message }: DeliveryResult): WebhookResponse {
  const delivered = responseCode !== undefined && responseCode >= 200 && responseCode < 300;
  return {
    ...(responseCode !== undefined && { responseCode: statusName(responseCode) }),
    responseMessage: delivered ? '' : message,
    systemError: responseCode === undefined,
    dateTimeUtc: attemptedOn,
  };
}

export function toValidationEvent(
  correlationId: string,
  registration: RegistrationRow,
  event: Pick<EventRow, 'status' | 'results'>,
): WebhookValidationEvent {
  return {
    correlationId,
    partnerId: registration.partner_id,
    status: STATUSES[event.status],
    callbackUrl: registration.webhook_url,
    results: event.results.map(toResponse),
  };
}
