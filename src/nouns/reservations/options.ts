import type { DatabaseHandle } from '../../db/connect.js';
import type { TokenCodec } from '../../http/continuation-token.js';

export interface ReservationOptions {
  db: DatabaseHandle;
  tokens: TokenCodec;
  now: () => Date;
  /** Origin of absolute links; without it they start with where the request came in. */
  publicUrl: string | undefined;
}
