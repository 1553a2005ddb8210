import { indexOf } from './fact-index.js';
import type { Facts } from './facts.js';
import { judge } from './judge-assignment.js';

/** The customer's users who count as Owner of the Azure subscription now; of a group those whom the facts hold. */
export function ownersOf(facts: Facts, azureSubscriptionId: string, now: Date): string[] {
  const azureSubscriptions = facts.azureSubscriptions.filter((one) => one.azureSubscriptionId === azureSubscriptionId);
  const index = indexOf({ ...facts, azureSubscriptions });
  const owners = new Set<string>();
  for (const assignment of facts.roleAssignments) {
    if (!judge(assignment, index, { purchaserRoles: ['owner'], resource: 'AzureReservedInstances', now }).counts)
      continue;
    if (assignment.principalType === 'User') owners.add(assignment.principalId);
    else for (const user of index.liveMembersOf(assignment.principalId)) owners.add(user.userId);
  }
  return [...owners];
}
