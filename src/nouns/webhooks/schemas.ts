import { type Static, Type } from 'typebox';
import { IsoDateTime, ref, textEnum, Uuid } from '../../http/schemas.js';
import { REGISTRABLE_EVENTS } from './event-names.js';

const WebhookEvents = Type.Array(textEnum(REGISTRABLE_EVENTS), {
  minItems: 1,
  maxItems: REGISTRABLE_EVENTS.length,
  uniqueItems: true,
});
const WebhookUrl = Type.String({
  minLength: 1,
  maxLength: 2048,
  description: 'https, on the public internet, without credentials and fragment.',
});
const EXAMPLE = {
  WebhookUrl: 'https://partner.example/webhooks/callback',
  WebhookEvents: ['self-serve-policy-switched', 'test-created'],
};
const CORRELATION = '04af2aea-d413-42db-824e-f328001484d1';

/** https://learn.microsoft.com/partner-center/developer/partner-center-webhooks */
export const WebhookRegistration = Type.Object(
  {
    SubscriberId: Uuid,
    WebhookUrl,
    WebhookEvents,
    SignatureTokenToMsSignatureHeader: Type.Boolean({
      description: 'The signature comes in `x-ms-signature`, not in `Authorization`.',
    }),
  },
  {
    $id: 'WebhookRegistration',
    description: 'Where the events of the partner go, and which.',
    examples: [
      {
        SubscriberId: 'e82cac64-dc67-4cd3-849b-78b6127dd57d',
        ...EXAMPLE,
        SignatureTokenToMsSignatureHeader: false,
      },
    ],
  },
);
export type WebhookRegistration = Static<typeof WebhookRegistration>;

export const WebhookRegistrationUpdate = Type.Object(
  {
    WebhookUrl,
    WebhookEvents,
    SignatureTokenToMsSignatureHeader: Type.Optional(Type.Boolean({ default: false })),
  },
  {
    $id: 'WebhookRegistrationUpdate',
    description: 'The whole registration as it is to be; other members than these are read-only and ignored.',
    examples: [EXAMPLE],
  },
);
export type WebhookRegistrationUpdate = Static<typeof WebhookRegistrationUpdate>;

export const WebhookEventNames = Type.Array(Type.String(), {
  $id: 'WebhookEventNames',
  examples: [[...REGISTRABLE_EVENTS]],
});

export const WebhookValidation = Type.Object(
  { correlationId: Uuid },
  {
    $id: 'WebhookValidation',
    description: 'What the validation event is looked up by.',
    examples: [{ correlationId: CORRELATION }],
  },
);

export const WebhookResponse = Type.Object(
  {
    responseCode: Type.Optional(
      Type.String({
        description: 'Name of the HTTP status, as .NET has it; absent where there was no answer.',
        examples: ['OK', 'InternalServerError'],
      }),
    ),
    responseMessage: Type.String({ description: 'Empty when delivered, else what went wrong.' }),
    systemError: Type.Boolean({ description: 'There was no answer.' }),
    dateTimeUtc: IsoDateTime,
  },
  { $id: 'WebhookResponse', description: 'One attempt.' },
);
export type WebhookResponse = Static<typeof WebhookResponse>;

export const WebhookValidationEvent = Type.Object(
  {
    correlationId: Uuid,
    partnerId: Uuid,
    status: textEnum(['pending', 'completed', 'failed'], {
      description: '`completed`: delivered; `failed`: given up after 10 attempts.',
    }),
    callbackUrl: Type.String({ description: 'The WebhookUrl that is registered now.' }),
    results: Type.Array(ref(WebhookResponse)),
  },
  {
    $id: 'WebhookValidationEvent',
    description: 'What became of a validation event.',
    examples: [
      {
        correlationId: CORRELATION,
        partnerId: '634f6379-ad54-449b-9821-564f737158ab',
        status: 'completed',
        callbackUrl: EXAMPLE.WebhookUrl,
        results: [
          { responseCode: 'OK', responseMessage: '', systemError: false, dateTimeUtc: '2026-11-21T09:30:00.000Z' },
        ],
      },
    ],
  },
);
export type WebhookValidationEvent = Static<typeof WebhookValidationEvent>;
