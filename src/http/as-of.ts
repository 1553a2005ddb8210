import type { FastifyReply } from 'fastify';

const HEADER = 'MS-AsOf';
const headers = {
  [HEADER]: {
    type: 'string',
    format: 'date-time',
    description:
      'Only where a read replica answered: everything acknowledged until this time is in the answer, later changes may be missing.',
    examples: ['2025-11-01T09:30:00.000Z'],
  },
} as const;

/** Describes an answer that may be old, and then says so. */
export const maybeOld = <Response extends object>(response: Response) => ({ ...response, headers });

/** @param asOf of what was read; undefined: it is not old */
export function sayAsOf(reply: FastifyReply, asOf: Date | undefined): void {
  if (asOf) reply.header(HEADER, asOf.toISOString());
}
