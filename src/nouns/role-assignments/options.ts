import type { DatabaseHandle } from '../../db/connect.js';
import type { Events } from '../../events.js';
import type { TokenCodec } from '../../http/continuation-token.js';
import type { PermissionRules } from '../purchase-permissions/service.js';

export interface RoleAssignmentOptions {
  db: DatabaseHandle;
  rules: PermissionRules;
  events: Events;
  tokens: TokenCodec;
  now: () => Date;
  /** Origin of absolute links; without it they start with where the request came in. */
  publicUrl: string | undefined;
}
