import type { DatabaseHandle } from '../../db/connect.js';
import { WRITERS } from '../../plugins/authorization.js';
import type { RefundFee } from './rules.js';

export interface RefundOptions {
  db: DatabaseHandle;
  fees: readonly RefundFee[];
  now: () => Date;
}

/** A customer's user gets as far as the sentence that the partner does it. */
export const PARTNER_ALONE = { access: { partner: WRITERS, customer: true } };
