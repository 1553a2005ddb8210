import type { PermissionResource } from '../../db/tables.js';
import type { PurchaserRole } from './facts.js';

interface BuiltInRole {
  readonly name: string;
  /** Resources that its holder may buy, and the name by which `PURCHASER_ROLES` admits it. */
  readonly buys: readonly PermissionResource[];
  readonly as?: PurchaserRole;
}

/**
 * Built-in roles by GUID. A custom role cannot buy, whatever its actions: Azure looks at the membership of these roles.
 * https://learn.microsoft.com/azure/cost-management-billing/reservations/prepare-buy-reservation
 * https://learn.microsoft.com/azure/cost-management-billing/savings-plan/permission-buy-savings-plan
 */
const BUILT_IN_ROLES: ReadonlyMap<string, BuiltInRole> = new Map([
  [
    '8e3af657-a8ff-443c-a75c-2fe8c4bcb635',
    { name: 'Owner', buys: ['AzureReservedInstances', 'AzureSavingsPlan'], as: 'owner' },
  ],
  [
    'f7b75c60-3036-4b75-91c3-6b41c27c1689',
    { name: 'Reservation Purchaser', buys: ['AzureReservedInstances'], as: 'reservation-purchaser' },
  ],
  [
    '3d24a3a0-c154-4f6f-a5ed-adc8e01ddb74',
    { name: 'Savings plan Purchaser', buys: ['AzureSavingsPlan'], as: 'reservation-purchaser' },
  ],
  ['b24988ac-6180-42a0-ab88-20f7382dd24c', { name: 'Contributor', buys: [] }],
  ['acdd72a7-3385-48ef-bd42-f606fba81ae7', { name: 'Reader', buys: [] }],
  ['18d7d88d-d35e-4fb5-a5c3-7773c20a72d9', { name: 'User Access Administrator', buys: [] }],
  ['f58310d9-a9f6-439a-9e8d-f62e7b41a168', { name: 'Role Based Access Control Administrator', buys: [] }],
  ['a8889054-8d42-49c9-bc1c-52486c10e7cd', { name: 'Reservations Administrator', buys: [] }],
  ['582fc458-8989-419f-a480-75249bc5db7e', { name: 'Reservations Reader', buys: [] }],
]);

/** The role's name, and as what it can buy the resource, if at all. Accepts a GUID or a full id, in any letter case. */
export function roleFor(
  roleDefinitionId: string,
  resource: PermissionResource,
): { name: string; purchaser: PurchaserRole | undefined } {
  const guid = roleDefinitionId.slice(roleDefinitionId.lastIndexOf('/') + 1).toLowerCase();
  const role = BUILT_IN_ROLES.get(guid);
  return {
    name: role?.name ?? `role ${guid}`,
    purchaser: role?.buys.includes(resource) ? role.as : undefined,
  };
}

/** Ids of the roles that let somebody buy something: no other assignment can change the verdict. */
export const BUYER_ROLE_IDS: readonly string[] = [...BUILT_IN_ROLES].flatMap(([id, role]) => (role.as ? [id] : []));
