import type { Selectable } from 'kysely';
import type { CommitWith, Reading, Tx } from '../../db/connect.js';
import { type LockedCustomer, lockCustomer } from '../../db/customer-lock.js';
import type { CustomersTable, PermissionResource } from '../../db/tables.js';
import { ApiError } from '../../errors/api-error.js';
import type { Events } from '../../events.js';
import { type Act, nameOf } from '../../plugins/idempotency/plugin.js';
import { PERMISSION_ACTIONS } from '../activity-log/actions.js';
import { appendEntries, type NewEntry, SYSTEM } from '../activity-log/append.js';
import { enqueueEvents } from '../webhooks/outbox.js';
import { decide, type Facts, failingReasons, type PurchaserRole, type Verdict } from './decide.js';
import { loadFacts } from './facts-queries.js';
import { BUYER_ROLE_IDS } from './purchaser-roles.js';
import { findCustomer, listPermissionRows, type PermissionRow, upsertPermission } from './queries.js';
import { policyId, RESOURCES, toPolicy } from './self-serve-policy.js';

export interface PermissionRules {
  purchaserRoles: readonly PurchaserRole[];
}

export interface SwitchResult {
  before: readonly PermissionRow[];
  after: readonly PermissionRow[];
  turnedOn: readonly PermissionResource[];
  turnedOff: readonly PermissionResource[];
}

export interface Switch {
  customerId: string;
  /** The permissions that are to be on, given those that are. */
  wanted: (on: ReadonlySet<PermissionResource>) => ReadonlySet<PermissionResource>;
  /** Throws when the change may not be made on this state: a missing or existing policy, a stale etag. */
  precondition: (rows: readonly PermissionRow[]) => void;
  /**
   * Admits that something is turned on, or throws; absent where nothing can be. The facts are read in the same flight as
   * the lock when it is there.
   */
  admitTurningOn?: () => Promise<void>;
}

/** What a decision takes of the customer's row. */
export function customerFact(customer: Selectable<CustomersTable>): Facts['customer'] {
  return { relationship: customer.relationship, country: customer.country, deleted: customer.deleted_on !== null };
}

const onSet = (rows: readonly PermissionRow[]) =>
  new Set(rows.filter((row) => row.state === 'on').map((row) => row.resource));

/**
 * Switches permissions of one customer: lock, decide on what is locked, write and log, all in the caller's transaction.
 * Nothing is written when nothing changes. Turning off is never refused.
 * @throws ApiError CustomerNotFound; ActionNotAllowed with every failing reason in `data`; whatever `precondition` throws
 */
export async function switchPermissions(
  tx: Tx,
  act: Act,
  commitWith: CommitWith,
  rules: PermissionRules,
  change: Switch,
): Promise<SwitchResult> {
  const { customerId } = change;
  const [{ customer, now }, before, facts] = await Promise.all([
    lockCustomer(tx, act.partnerId, customerId),
    listPermissionRows(tx, act.partnerId, customerId),
    change.admitTurningOn ? loadFacts(tx, act.partnerId, customerId, BUYER_ROLE_IDS) : undefined,
  ]);
  if (!customer) throw new ApiError('CustomerNotFound');
  change.precondition(before);

  const on = onSet(before);
  const wanted = change.wanted(on);
  const turnedOn = RESOURCES.filter((resource) => wanted.has(resource) && !on.has(resource));
  const turnedOff = RESOURCES.filter((resource) => on.has(resource) && !wanted.has(resource));
  if (turnedOn.length > 0) await change.admitTurningOn?.();
  const verdicts = new Map<PermissionResource, Verdict>();
  for (const resource of turnedOn) {
    if (!facts) throw new Error('a switch that may turn on has to say so');
    verdicts.set(resource, decide({ ...facts, customer: customerFact(customer) }, { ...rules, resource, now }));
  }
  const refusals = [...verdicts.values()].filter((verdict) => !verdict.eligible);
  if (refusals.length > 0) {
    throw new ApiError('ActionNotAllowed', {
      description: 'The customer is not eligible for this permission. data[] says why and what to do.',
      data: [...new Set(refusals.flatMap(failingReasons))],
    });
  }

  const rowOf = (resource: PermissionResource) => before.find((row) => row.resource === resource);
  const changedRow = (resource: PermissionResource, verdict: Verdict | undefined): PermissionRow => ({
    partner_id: act.partnerId,
    customer_id: customerId,
    resource,
    state: verdict ? 'on' : 'off',
    effective: verdict !== undefined,
    effective_until: verdict?.effectiveUntil ?? null,
    ineligibility_reasons: [],
    version: (rowOf(resource)?.version ?? 0) + 1,
    changed_on: now,
    changed_by: nameOf(act.actor),
  });
  const changed = [...turnedOn, ...turnedOff].map((resource) => changedRow(resource, verdicts.get(resource)));
  const replace = (rows: readonly PermissionRow[], news: readonly PermissionRow[]) =>
    RESOURCES.flatMap((resource) => {
      const row = news.find((r) => r.resource === resource) ?? rows.find((r) => r.resource === resource);
      return row ? [row] : [];
    });
  for (const row of changed) commitWith(upsertPermission(tx, row));

  // One entry per direction: a PUT that swaps one permission for the other is a grant and a withdrawal.
  const entries: NewEntry[] = [];
  const granted = replace(
    before,
    changed.filter((row) => row.state === 'on'),
  );
  const after = replace(before, changed);
  if (turnedOn.length > 0) {
    entries.push({
      operationType: on.size === 0 ? 'create_self_serve_policy' : 'update_self_serve_policy',
      resourceType: 'self_serve_policy',
      resourceId: policyId(act.partnerId, customerId),
      action: PERMISSION_ACTIONS.on,
      oldValue: toPolicy(before),
      newValue: toPolicy(granted),
      customizedData: turnedOn.map((resource) => ({ key: 'Permission', value: resource })),
      evidence: Object.fromEntries([...verdicts].map(([resource, verdict]) => [resource, verdict.checks])),
    });
  }
  if (turnedOff.length > 0) {
    entries.push({
      operationType: onSet(after).size === 0 ? 'delete_self_serve_policy' : 'update_self_serve_policy',
      resourceType: 'self_serve_policy',
      resourceId: policyId(act.partnerId, customerId),
      action: PERMISSION_ACTIONS.off,
      oldValue: toPolicy(granted),
      newValue: toPolicy(after),
      customizedData: turnedOff.map((resource) => ({ key: 'Permission', value: resource })),
    });
  }
  const logged = appendEntries(tx, act, customer, now, entries, commitWith);
  enqueueEvents(
    tx,
    act,
    customerId,
    now,
    logged.map((entry) => ({
      name: 'self-serve-policy-switched',
      resourceUri: `/v1/SelfServePolicy/${policyId(act.partnerId, customerId)}`,
      resourceName: 'SelfServePolicy',
      entry,
      details: {
        CustomerId: customerId,
        Direction: entry.action === PERMISSION_ACTIONS.on ? 'on' : 'off',
        Permissions: [...(entry.action === PERMISSION_ACTIONS.on ? turnedOn : turnedOff)],
      },
    })),
    commitWith,
  );
  return { before, after, turnedOn, turnedOff };
}

/** A permission whose effect ended or came back in a transaction. */
export interface EligibilityChange {
  resource: PermissionResource;
  effective: boolean;
}

/**
 * Decides again for every permission of the locked customer that is on, after something eligibility depends on has
 * changed in this transaction, and logs what ended or came back. Every writer of such facts calls it before it commits.
 */
export async function reevaluate(
  tx: Tx,
  act: Act,
  commitWith: CommitWith,
  rules: PermissionRules,
  customer: LockedCustomer,
  now: Date,
): Promise<EligibilityChange[]> {
  const [rows, facts] = await Promise.all([
    listPermissionRows(tx, act.partnerId, customer.customer_id),
    loadFacts(tx, act.partnerId, customer.customer_id, BUYER_ROLE_IDS),
  ]);
  const changes: EligibilityChange[] = [];
  const entries: NewEntry[] = [];
  for (const row of rows.filter(({ state }) => state === 'on')) {
    const verdict = decide({ ...facts, customer: customerFact(customer) }, { ...rules, resource: row.resource, now });
    const reasons = failingReasons(verdict);
    const until = verdict.eligible ? verdict.effectiveUntil : null;
    const same =
      row.effective === verdict.eligible &&
      row.effective_until?.getTime() === until?.getTime() &&
      JSON.stringify(row.ineligibility_reasons) === JSON.stringify(reasons);
    if (same) continue;
    commitWith(
      upsertPermission(tx, {
        ...row,
        effective: verdict.eligible,
        effective_until: until,
        ineligibility_reasons: reasons,
      }),
    );
    if (row.effective === verdict.eligible) continue;
    changes.push({ resource: row.resource, effective: verdict.eligible });
    entries.push({
      operationType: 'update_self_serve_policy',
      resourceType: 'self_serve_policy',
      resourceId: policyId(act.partnerId, customer.customer_id),
      action: verdict.eligible ? PERMISSION_ACTIONS.restored : PERMISSION_ACTIONS.lapsed,
      actor: SYSTEM,
      oldValue: { resource: row.resource, effective: row.effective },
      newValue: { resource: row.resource, effective: verdict.eligible },
      customizedData: [
        { key: 'Permission', value: row.resource },
        ...reasons.map((reason) => ({ key: 'Reason', value: reason })),
      ],
      evidence: { [row.resource]: verdict.checks },
    });
  }
  const logged = appendEntries(tx, act, customer, now, entries, commitWith);
  enqueueEvents(
    tx,
    act,
    customer.customer_id,
    now,
    logged.map((entry, index) => ({
      name: changes[index]?.effective ? 'self-serve-policy-restored' : 'self-serve-policy-lapsed',
      resourceUri: `/v1/SelfServePolicy/${policyId(act.partnerId, customer.customer_id)}`,
      resourceName: 'SelfServePolicy',
      entry,
      details: { CustomerId: customer.customer_id, Permission: changes[index]?.resource },
    })),
    commitWith,
  );
  return changes;
}

/** Tells of the permissions that a committed write ended or brought back. */
export function announceEligibility(
  events: Events,
  partnerId: string,
  customerId: string,
  changes: readonly EligibilityChange[],
): void {
  for (const change of changes) events.eligibilityChanged({ partnerId, customerId, ...change });
}

/** Every check of the switch, without switching. */
export async function checkEligibility(
  db: Reading,
  rules: PermissionRules,
  partnerId: string,
  customerId: string,
  resource: PermissionResource,
  now: Date,
): Promise<Verdict> {
  const [customer, facts] = await Promise.all([
    findCustomer(db, partnerId, customerId),
    loadFacts(db, partnerId, customerId, BUYER_ROLE_IDS),
  ]);
  if (!customer) throw new ApiError('CustomerNotFound');
  return decide({ ...facts, customer: customerFact(customer) }, { ...rules, resource, now });
}
