import { ArmErrorBody, ErrorBody, ref, ThrottleBody } from './schemas.js';

/** Answers that any route can give whatever it does. */
const COMMON = [400, 401, 403, 404, 406, 408, 414, 417, 429, 431, 500, 503] as const;

/** The refusals of a Partner Center route, as named components; `more` adds those that only this route gives. */
export function refusals<const M extends number = never>(...more: readonly M[]) {
  const entries = [...COMMON, ...more].map((status) => [status, status === 429 ? ref(ThrottleBody) : ref(ErrorBody)]);
  return Object.fromEntries(entries) as Record<(typeof COMMON)[number] | M, ReturnType<typeof ref<typeof ErrorBody>>>;
}

/** The refusals of an ARM route. */
export function armRefusals<const M extends number = never>(...more: readonly M[]) {
  const entries = [...COMMON, ...more].map((status) => [status, ref(ArmErrorBody)]);
  return Object.fromEntries(entries) as Record<
    (typeof COMMON)[number] | M,
    ReturnType<typeof ref<typeof ArmErrorBody>>
  >;
}
