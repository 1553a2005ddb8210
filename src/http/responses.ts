import { ArmErrorBody, ErrorBody, ref, ThrottleBody } from './schemas.js';

/** Answers any route of the Partner Center face can give whatever it does. */
const PARTNER_CENTER = [400, 401, 403, 404, 406, 408, 429, 500, 503] as const;
const ARM = [400, 401, 403, 404, 406, 408, 429, 500, 503] as const;

/** The refusals of a Partner Center route, as named components; `more` adds those that only this route gives. */
export function refusals<const M extends number = never>(...more: readonly M[]) {
  const entries = [...PARTNER_CENTER, ...more].map((status) => [
    status,
    status === 429 ? ref(ThrottleBody) : ref(ErrorBody),
  ]);
  return Object.fromEntries(entries) as Record<
    (typeof PARTNER_CENTER)[number] | M,
    ReturnType<typeof ref<typeof ErrorBody>>
  >;
}

/** The refusals of an ARM route. */
export function armRefusals<const M extends number = never>(...more: readonly M[]) {
  const entries = [...ARM, ...more].map((status) => [status, ref(ArmErrorBody)]);
  return Object.fromEntries(entries) as Record<(typeof ARM)[number] | M, ReturnType<typeof ref<typeof ArmErrorBody>>>;
}
