import type { Reading } from '../../db/connect.js';
import type { LockedCustomer } from '../../db/customer-lock.js';
import { listGroupsOf } from '../identity/queries.js';
import { findGuards } from '../purchase-guards/queries.js';
import type { Facts, UserFact } from '../purchase-permissions/decide.js';
import { findUserFact, loadFacts } from '../purchase-permissions/facts-queries.js';
import { BUYER_ROLE_IDS } from '../purchase-permissions/purchaser-roles.js';
import { listPermissionRows } from '../purchase-permissions/queries.js';
import { customerFact } from '../purchase-permissions/service.js';
import type { Buyer, PurchaseFacts } from './decide-purchase.js';

export interface Asked {
  partnerId: string;
  customerId: string;
  buyer: Omit<Buyer, 'groupIds'>;
}

/** What the decision takes from the database, read behind the lock of the customer in the same flight. */
export async function loadPurchaseFacts(db: Reading, asked: Asked) {
  const { partnerId, customerId, buyer } = asked;
  const resource = 'AzureReservedInstances';
  const [permissions, facts, user, groupIds, guards] = await Promise.all([
    listPermissionRows(db, partnerId, customerId),
    loadFacts(db, partnerId, customerId, BUYER_ROLE_IDS),
    findUserFact(db, partnerId, customerId, buyer.objectId),
    listGroupsOf(db, partnerId, customerId, buyer.objectId),
    findGuards(db, partnerId, customerId, resource),
  ]);
  return {
    permissionState: permissions.find((row) => row.resource === resource)?.state,
    facts: { ...facts, users: withUser(facts.users, user) },
    buyer: { ...buyer, groupIds },
    guards: guards?.guards,
  };
}

type Loaded = Awaited<ReturnType<typeof loadPurchaseFacts>>;

function withUser(users: readonly UserFact[], user: UserFact | undefined): UserFact[] {
  return user ? [...users.filter(({ userId }) => userId !== user.userId), user] : [...users];
}

export function purchaseFacts(
  loaded: Loaded,
  customer: LockedCustomer,
  asked: Pick<PurchaseFacts, 'quote' | 'request' | 'renew' | 'scopeSubscriptionId' | 'spend'>,
): PurchaseFacts {
  const facts: Facts = { ...loaded.facts, customer: customerFact(customer) };
  return { ...loaded, ...asked, facts };
}
