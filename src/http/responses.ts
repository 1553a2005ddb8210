import { ArmErrorBody, ErrorBody, ref, ThrottleBody } from './schemas.js';

/** What each refusal means, for the OpenAPI description. */
const MEANINGS: Readonly<Record<number, string>> = {
  400: 'The request is malformed; `data` or `details` say what to correct.',
  401: 'No valid access token.',
  403: 'The role, the kind of token or the state of the customer does not allow it.',
  404: 'There is no such resource of this partner.',
  406: 'The answer cannot be given in a media type of the Accept header.',
  408: 'The request did not arrive in time.',
  409: 'It conflicts with what exists, or the first request under this MS-RequestId still runs.',
  412: 'The resource has changed since the ETag was read.',
  413: 'The body is larger than 64 KiB.',
  414: 'The address is longer than 8 KiB.',
  415: 'The body is not JSON in UTF-8.',
  417: 'The Expect header asks for something else than 100-continue.',
  428: 'The change needs the etag of the resource.',
  429: 'Too many requests; Retry-After says when to try again.',
  431: 'The headers are larger than 16 KiB, or more than 1000.',
  500: 'The service failed; nothing was changed.',
  503: 'The service cannot answer now; Retry-After says when to try again.',
};

/** Answers any route can give whatever it does. */
const ALWAYS = [400, 401, 403, 404, 406, 408, 414, 417, 429, 431, 500, 503] as const;

type Always = (typeof ALWAYS)[number];
type Reference<S extends Parameters<typeof ref>[0]> = ReturnType<typeof ref<S>>;

function responses<S>(statuses: readonly number[], schemaOf: (status: number) => object): Record<number, S> {
  return Object.fromEntries(
    statuses.map((status) => [status, { ...schemaOf(status), description: MEANINGS[status] ?? 'Refused.' }]),
  ) as Record<number, S>;
}

/** The refusals of a Partner Center route, as named components; `more` adds those that only this route gives. */
export function refusals<const M extends number = never>(...more: readonly M[]) {
  const bodyOf = (status: number) => (status === 429 ? ref(ThrottleBody) : ref(ErrorBody));
  return responses([...ALWAYS, ...more], bodyOf) as Record<Always | M, Reference<typeof ErrorBody>>;
}

/** The refusals of an ARM route. */
export function armRefusals<const M extends number = never>(...more: readonly M[]) {
  return responses([...ALWAYS, ...more], () => ref(ArmErrorBody)) as Record<Always | M, Reference<typeof ArmErrorBody>>;
}
