import type { DatabaseHandle } from '../../db/connect.js';
import type { PermissionResource } from '../../db/tables.js';
import { ApiError } from '../../errors/api-error.js';
import { type ArmFilter, parseArmFilter } from '../../http/arm-filter.js';
import type { Caller } from '../../plugins/authentication.js';
import { listGroupsOf } from '../identity/queries.js';
import { type AssignmentVerdict, judgeAssignment, type PurchaserRole } from '../purchase-permissions/decide.js';
import { loadFacts } from '../purchase-permissions/facts-queries.js';
import { azureOffer } from '../purchase-permissions/judge-subscription.js';
import { BUYER_ROLE_IDS } from '../purchase-permissions/purchaser-roles.js';
import { findCustomer } from '../purchase-permissions/queries.js';
import { demand, findHolder, loadRightsOf, partnersOf, type Target } from './access/access.js';
import {
  groupExists,
  listAzureSubscriptions,
  listNamesOfUsers,
  listVisibleSubscriptions,
  type VisibleSubscription,
} from './access/queries.js';
import { SUBSCRIPTION_READER_ROLE_IDS } from './built-in-roles.js';
import { findRoleAssignment, listRoleAssignmentRows, type RoleAssignmentRow } from './queries.js';
import { coverageOf, coverageOfSubscriptions } from './scopes.js';

const READ = 'Microsoft.Authorization/roleAssignments/read';
/** Azure publishes no size of these pages. */
const PAGE = 200;

export interface Page<Row> {
  rows: Row[];
  /** Where the next page starts; undefined on the last. */
  next: string | undefined;
}

function cut<Row>(rows: readonly Row[], size: number, keyOf: (row: Row) => string): Page<Row> {
  const shown = rows.slice(0, size);
  const last = rows.length > size ? shown.at(-1) : undefined;
  return { rows: shown, next: last === undefined ? undefined : keyOf(last) };
}

/**
 * The assignments that apply to the scope, those above and below it included.
 * @throws ApiError RoleLacksRights; InvalidInput for a filter that is not supported, or assignedTo() of a group
 */
export async function listRoleAssignments(
  db: DatabaseHandle,
  caller: Caller,
  target: Target,
  asked: { filter?: string; after?: string; now: Date },
): Promise<Page<RoleAssignmentRow>> {
  const { partnerId, customerId, scope, atAndAbove, chains } = target;
  const filter: ArmFilter = asked.filter === undefined ? { atScope: false } : parseArmFilter(asked.filter);
  const { assignedTo, principalId } = filter;
  const [isGroup, groups] =
    assignedTo === undefined
      ? [false, []]
      : await db.lookUp(partnerId, (reading) =>
          Promise.all([
            groupExists(reading, partnerId, customerId, assignedTo),
            listGroupsOf(reading, partnerId, customerId, assignedTo),
          ]),
        );
  let principalIds = assignedTo === undefined ? undefined : [assignedTo, ...groups];
  if (principalId !== undefined) {
    principalIds = principalIds === undefined || principalIds.includes(principalId) ? [principalId] : [];
  }
  // Read together with the rights that they are shown by: one round trip.
  const [rights, rows] = await db.lookUp(partnerId, (reading) =>
    Promise.all([
      loadRightsOf(reading, target),
      listRoleAssignmentRows(reading, partnerId, customerId, {
        coverage: coverageOf(scope, atAndAbove, chains, filter.atScope),
        inForceAt: asked.now,
        ...(principalIds && { principalIds }),
        ...(asked.after !== undefined && { after: asked.after }),
        limit: PAGE + 1,
      }),
    ]),
  );
  demand(READ, caller, target, rights, asked.now);
  if (isGroup) {
    throw new ApiError('InvalidInput', {
      armCode: 'InvalidFilter',
      description: 'assignedTo() takes a user or a service principal, and this id is a group. Use principalId eq.',
    });
  }
  return cut(rows, PAGE, (row) => row.role_assignment_id);
}

/** @throws ApiError RoleLacksRights, RoleAssignmentNotFound */
export async function getRoleAssignment(
  db: DatabaseHandle,
  caller: Caller,
  target: Target,
  name: string,
  now: Date,
): Promise<RoleAssignmentRow> {
  const { partnerId, customerId, scope } = target;
  const [rights, row] = await db.lookUp(partnerId, (reading) =>
    Promise.all([loadRightsOf(reading, target), findRoleAssignment(reading, partnerId, customerId, name)]),
  );
  demand(READ, caller, target, rights, now);
  const ended = row !== undefined && row.ends_on !== null && row.ends_on <= now;
  if (!row || ended || row.scope_key !== scope.key || row.assignment_state !== 'active') {
    throw new ApiError('RoleAssignmentNotFound', {
      description: `The role assignment '${name}' is not found at scope '${scope.path}'.`,
    });
  }
  return row;
}

/** @throws ApiError RoleLacksRights */
export async function demandRoleDefinitionsRead(
  db: DatabaseHandle,
  caller: Caller,
  target: Target,
  now: Date,
): Promise<void> {
  const rights = await db.lookUp(target.partnerId, (reading) => loadRightsOf(reading, target));
  demand('Microsoft.Authorization/roleDefinitions/read', caller, target, rights, now);
}

/**
 * The Azure subscriptions that the caller holds a reading role at, above or below. One that several partners of the
 * caller's tenant know is listed once.
 */
export async function listSubscriptions(
  db: DatabaseHandle,
  caller: Caller,
  asked: { azureSubscriptionId?: string; after?: string; now: Date },
): Promise<Page<VisibleSubscription>> {
  const { azureSubscriptionId, after, now } = asked;
  const seen = new Map<string, VisibleSubscription>();
  for (const partnerId of await partnersOf(db, caller)) {
    const rows = await db.read(partnerId, async (reading) => {
      const holder = await findHolder(reading, caller, partnerId);
      return listVisibleSubscriptions(
        reading,
        partnerId,
        { ...holder, roleIds: SUBSCRIPTION_READER_ROLE_IDS },
        {
          ...(caller.kind === 'customer' && { customerId: caller.tenantId }),
          ...(azureSubscriptionId !== undefined && { azureSubscriptionId }),
          ...(after !== undefined && { after }),
          limit: PAGE + 1,
          now,
        },
      );
    });
    for (const row of rows) {
      if (!seen.has(row.azureSubscriptionId) || row.boughtHere) seen.set(row.azureSubscriptionId, row);
    }
  }
  const rows = [...seen.values()].sort((a, b) => (a.azureSubscriptionId < b.azureSubscriptionId ? -1 : 1));
  return cut(rows, PAGE, (row) => row.azureSubscriptionId);
}

export interface JudgedRow {
  row: RoleAssignmentRow;
  verdict: AssignmentVerdict;
  principalName: string | undefined;
}

/**
 * The assignments at, above and below the Azure subscriptions of a Partner Center subscription, or of one Azure
 * subscription, each with whether it counts as the customer's Owner.
 * @throws ApiError CustomerNotFound, SubscriptionNotFound, NotAnAzureSubscription
 */
export async function listJudgedRoleAssignments(
  db: DatabaseHandle,
  partnerId: string,
  asked: {
    customerId: string;
    subscriptionId: string;
    resource: PermissionResource;
    purchaserRoles: readonly PurchaserRole[];
    size: number;
    after?: string;
    now: Date;
  },
): Promise<Page<JudgedRow>> {
  const { customerId, subscriptionId, size, after, purchaserRoles, resource, now } = asked;
  return db.read(partnerId, async (reading) => {
    const [customer, azure, facts] = await Promise.all([
      findCustomer(reading, partnerId, customerId),
      listAzureSubscriptions(reading, partnerId, customerId),
      loadFacts(reading, partnerId, customerId, BUYER_ROLE_IDS),
    ]);
    if (!customer) throw new ApiError('CustomerNotFound');
    const sold = facts.subscriptions.find((one) => one.subscriptionId === subscriptionId);
    const chains = azure.filter(
      (one) => one.azureSubscriptionId === subscriptionId || one.subscriptionId === subscriptionId,
    );
    if (!sold && chains.length === 0) throw new ApiError('SubscriptionNotFound');
    if (sold && azureOffer(sold) === undefined) throw new ApiError('NotAnAzureSubscription');
    const rows = await listRoleAssignmentRows(reading, partnerId, customerId, {
      coverage: coverageOfSubscriptions(chains),
      ...(after !== undefined && { after }),
      limit: size + 1,
    });
    const page = cut(rows, size, (row) => row.role_assignment_id);
    const names = await listNamesOfUsers(
      reading,
      partnerId,
      customerId,
      page.rows.map((row) => row.principal_id),
    );
    const { relationship, country } = customer;
    const judged = { ...facts, customer: { relationship, country, deleted: false } };
    return {
      next: page.next,
      rows: page.rows.map((row) => ({
        row,
        principalName: names.get(row.principal_id),
        verdict: judgeAssignment(
          {
            roleAssignmentId: row.role_assignment_id,
            scope: row.scope,
            scopeLevel: row.scope_level,
            azureSubscriptionId: row.azure_subscription_id,
            roleDefinitionId: row.role_definition_id,
            principalId: row.principal_id,
            principalType: row.principal_type,
            assignmentState: row.assignment_state,
            endsOn: row.ends_on,
            createdOn: row.created_on,
            condition: row.condition,
          },
          judged,
          { purchaserRoles, resource, now },
        ),
      })),
    };
  });
}
