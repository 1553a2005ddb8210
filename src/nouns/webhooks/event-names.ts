/** What a partner can be told of, beside `test-created`. Partner Center has no events for these; the names follow its own. */
export const EVENT_NAMES = [
  'self-serve-policy-switched',
  'self-serve-policy-lapsed',
  'self-serve-policy-restored',
  'reservation-purchased',
  'reservation-purchase-refused',
  'reservation-approval-waiting',
  'reservation-approval-decided',
  'change-request-created',
] as const;

export type EventName = (typeof EVENT_NAMES)[number];

/** What `POST …/validationEvents` sends, and nothing else. */
export const TEST_EVENT = 'test-created';

/** Every event that can be registered for. */
export const REGISTRABLE_EVENTS = [...EVENT_NAMES, TEST_EVENT] as const;
