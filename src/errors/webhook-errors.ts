import { entry } from './entry.js';

/** Refusals of webhook registrations. */
export const webhookErrors = {
  WebhookRegistrationExists: entry(
    409,
    '990801',
    'Conflict',
    'A webhook registration exists for this partner. Change it with PUT.',
  ),
  WebhookRegistrationNotFound: entry(
    404,
    '990802',
    'NotFound',
    'This partner has no webhook registration. Create it with POST /webhooks/v1/registration.',
  ),
  WebhookTargetRefused: entry(
    400,
    '990803',
    'BadRequest',
    'Events cannot be sent to this WebhookUrl. Name an https address on the public internet.',
  ),
  TestEventsNotRegistered: entry(
    400,
    '990804',
    'BadRequest',
    'The registration does not name the event test-created. Add it with PUT /webhooks/v1/registration.',
  ),
  ValidationEventNotFound: entry(
    404,
    '990805',
    'NotFound',
    'There is no such validation event. They are kept for 7 days and end with the registration.',
  ),
} as const;
