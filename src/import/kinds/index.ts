import type { Kind } from '../kind.js';
import type { KindName } from '../recognize.js';
import { agreements } from './agreements.js';
import { armSubscriptions, entities, entitlements } from './azure-subscriptions.js';
import { customers } from './customers.js';
import { denyAssignments } from './deny-assignments.js';
import { groups } from './groups.js';
import { mpn, organization } from './partner.js';
import { retailPrices } from './retail-prices.js';
import { activeInstances, eligibleInstances, roleAssignments } from './role-assignments.js';
import { subscriptions, transfers } from './subscriptions.js';
import { users } from './users.js';

export const KINDS: Readonly<Record<KindName, Kind>> = {
  organization,
  mpn,
  customers,
  agreements,
  subscriptions,
  transfers,
  entitlements,
  'arm-subscriptions': armSubscriptions,
  entities,
  users,
  groups,
  'role-assignments': roleAssignments,
  'role-assignment-instances': activeInstances,
  'role-eligibility-instances': eligibleInstances,
  'deny-assignments': denyAssignments,
  'retail-prices': retailPrices,
};
