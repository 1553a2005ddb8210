import { type Static, type TSchema, Type } from 'typebox';
import { ApiError } from '../errors/api-error.js';
import { shown } from './shown.js';

const uuidPattern = '^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$';
const uuid = new RegExp(uuidPattern);

/** A GUID with hyphens in either case. Not `format: uuid`, which takes `urn:uuid:` too. */
export const Uuid = Type.String({
  pattern: uuidPattern,
  description: 'GUID',
  examples: ['0431a72c-7d8a-4393-b25e-ef63f5efb415'],
});

/**
 * The one spelling that rows, locks, tags and answers use.
 *
 * @throws ApiError InvalidInput when the text is not a GUID
 */
export function lowerCaseUuid(text: string): string {
  if (!uuid.test(text)) throw new ApiError('InvalidInput', { description: `${shown(text)} is not a GUID.` });
  return text.toLowerCase();
}

/** An answered time: UTC, up to seven fractional digits. */
export const IsoDateTime = Type.String({ format: 'date-time', examples: ['2017-06-15T22:56:05.0589308Z'] });

/** ISO 3166-1 alpha-2, either case; stored in upper case. */
export const Country = Type.String({ pattern: '^[A-Za-z]{2}$', description: 'ISO 3166-1 alpha-2', examples: ['US'] });

/** One of some texts, as `enum`: SDK generators make a type of it, and the serialiser does not try one after another. */
export function textEnum<const T extends string>(values: readonly T[], options: { description?: string } = {}) {
  return Type.Unsafe<T>({ type: 'string', enum: values, ...options });
}

/**
 * A reference to a named schema, typed as what the name stands for. The application adds the schema itself.
 *
 * @throws Error when the schema has no `$id`
 */
export function ref<T extends TSchema>(schema: T) {
  const { $id } = schema as { $id?: string };
  if ($id === undefined) throw new Error('Only a schema with an $id can be referred to');
  return Type.Unsafe<Static<T>>({ $ref: `${$id}#` });
}

/** `attributes` of a resource (https://learn.microsoft.com/partner-center/developer/utility-resources). */
export function Attributes<const T extends string>(objectType: T) {
  return Type.Object({ etag: Type.Optional(Type.String()), objectType: textEnum([objectType]) });
}

export const Link = Type.Object(
  {
    uri: Type.String({ description: 'Relative, without /v1' }),
    method: Type.String(),
    headers: Type.Array(Type.Object({ key: Type.String(), value: Type.String() })),
  },
  { $id: 'Link' },
);

export const Links = Type.Object(
  { self: Type.Optional(ref(Link)), next: Type.Optional(ref(Link)), previous: Type.Optional(ref(Link)) },
  { $id: 'Links' },
);

/** A Partner Center collection of a named item (https://learn.microsoft.com/partner-center/developer/utility-resources). */
export function collection<T extends TSchema>(name: string, item: T) {
  return Type.Object(
    {
      totalCount: Type.Integer({ minimum: 0, description: 'Number of items in this answer' }),
      items: Type.Array(ref(item)),
      continuationToken: Type.Optional(Type.String()),
      links: Type.Optional(ref(Links)),
      attributes: Attributes('Collection'),
    },
    { $id: name },
  );
}

/** What the partner says to a decision; the body may be left out. */
export const PartnerDecision = Type.Unsafe<{ comment?: string } | null>({
  type: ['object', 'null'],
  properties: {
    comment: Type.String({ minLength: 1, maxLength: 1000, description: 'Why, in words for the customer.' }),
  },
  additionalProperties: false,
  $id: 'PartnerDecision',
  description: 'What the partner says to its decision. The body can be left out.',
  examples: [{ comment: 'Done, the rest is refunded with the next invoice.' }],
});

/** Every refusal under `/v1` but throttling (https://learn.microsoft.com/partner-center/developer/error-codes). */
export const ErrorBody = Type.Object(
  {
    code: Type.String({ examples: ['60003'] }),
    description: Type.String({ maxLength: 1024 }),
    data: Type.Array(Type.String()),
    source: Type.String(),
  },
  { $id: 'Error' },
);

/** Every refusal on the ARM face. */
export const ArmErrorBody = Type.Object(
  {
    error: Type.Object({
      code: Type.String({ examples: ['RoleAssignmentNotFound'] }),
      message: Type.String(),
      target: Type.Optional(Type.String()),
      details: Type.Optional(Type.Array(Type.Object({ code: Type.String(), message: Type.String() }))),
    }),
  },
  { $id: 'ArmError' },
);

/** 429 under `/v1` (https://learn.microsoft.com/partner-center/developer/api-throttling-guidance). */
export const ThrottleBody = Type.Object(
  { statusCode: Type.Integer({ examples: [429] }), message: Type.String() },
  { $id: 'Throttled' },
);

/** What every application that uses the schemas above has to add. */
export const sharedSchemas = [Link, Links, PartnerDecision, ErrorBody, ArmErrorBody, ThrottleBody] as const;
