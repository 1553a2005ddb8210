/** Refusals of webhook registrations. */
export const webhookErrors = {} as const;
