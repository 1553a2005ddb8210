import { isDeepStrictEqual } from 'node:util';
import type { CommitWith, Reading, Tx } from '../../db/connect.js';
import { lockCustomer } from '../../db/customer-lock.js';
import type { Guards, PermissionResource } from '../../db/tables.js';
import { ApiError } from '../../errors/api-error.js';
import { matches, parseIfMatch, quoted } from '../../http/etag.js';
import { shown } from '../../http/shown.js';
import { fitsCurrency, isCurrency, minorDigits, toDecimal, toMinor } from '../../lib/money.js';
import { type Act, nameOf } from '../../plugins/idempotency/plugin.js';
import { appendEntries } from '../activity-log/append.js';
import { findCustomer } from '../purchase-permissions/queries.js';
import { policyId } from '../purchase-permissions/self-serve-policy.js';
import { DEFAULT_APPROVAL_HOURS } from './judge-guards.js';
import { findGuards, type GuardsRow, listKnownSubscriptions, upsertGuards } from './queries.js';
import type { PurchaseGuards, PurchaseGuardsUpdate } from './schemas.js';

const AMOUNTS = ['capPerPurchase', 'capPerMonth', 'capOutstanding', 'approvalAbove'] as const;

export interface GuardsKey {
  customerId: string;
  resource: PermissionResource;
}

/** As it is answered; `row` is undefined while none were ever set. */
export function toPurchaseGuards(row: Pick<GuardsRow, 'guards' | 'version'> | undefined): PurchaseGuards {
  return { ...row?.guards, attributes: { etag: quoted(row?.version ?? 0), objectType: 'PurchaseGuards' } };
}

/** @throws ApiError CustomerNotFound */
export async function getGuards(db: Reading, partnerId: string, key: GuardsKey): Promise<PurchaseGuards> {
  const [customer, row] = await Promise.all([
    findCustomer(db, partnerId, key.customerId),
    findGuards(db, partnerId, key.customerId, key.resource),
  ]);
  if (!customer) throw new ApiError('CustomerNotFound');
  return toPurchaseGuards(row);
}

function amountFaults(body: PurchaseGuardsUpdate): string[] {
  const { currencyCode, approvalAbove, approvalHours } = body;
  const sent = AMOUNTS.filter((name) => body[name] !== undefined);
  const faults: string[] = [];
  if (approvalHours !== undefined && approvalAbove === undefined) {
    faults.push('body/approvalHours says how long a purchase above approvalAbove waits. Send both or neither.');
  }
  if (currencyCode === undefined) {
    if (sent.length > 0) faults.push(`body/currencyCode is missing: it is the currency of ${sent.join(', ')}.`);
    return faults;
  }
  if (sent.length === 0) faults.push('body/currencyCode is the currency of amounts, and there are none. Leave it out.');
  if (!isCurrency(currencyCode)) {
    return [...faults, `body/currencyCode ${shown(currencyCode)} is no currency of ISO 4217.`];
  }
  for (const name of sent) {
    if (fitsCurrency(body[name] ?? '', currencyCode)) continue;
    faults.push(
      `body/${name} has more digits after the point than the ${minorDigits(currencyCode)} of ${currencyCode}.`,
    );
  }
  return faults;
}

const sorted = <T extends string>(values: readonly T[]): T[] => [...new Set(values)].sort();

/**
 * The guards in the one spelling that is kept, compared and shown: ids in lower case, lists in order, amounts with all
 * digits of the currency, times in UTC.
 * @throws ApiError InvalidProperty
 */
function readGuards({ attributes: _, ...body }: PurchaseGuardsUpdate): Guards {
  const faults = amountFaults(body);
  const expiresOn = body.expiresOn === undefined ? undefined : new Date(body.expiresOn);
  if (expiresOn && Number.isNaN(expiresOn.getTime())) faults.push('body/expiresOn is no point in time.');
  if (faults.length > 0) throw new ApiError('InvalidProperty', { data: faults });
  const { allowedSubscriptions, allowedProductTypes, allowedTerms, allowedBillingPlans, currencyCode = '' } = body;
  const amounts = AMOUNTS.flatMap((name) => {
    const amount = body[name];
    return amount === undefined ? [] : [[name, toDecimal(toMinor(amount, currencyCode), currencyCode)]];
  });
  return {
    ...body,
    ...(allowedSubscriptions && { allowedSubscriptions: sorted(allowedSubscriptions.map((id) => id.toLowerCase())) }),
    ...(allowedProductTypes && { allowedProductTypes: sorted(allowedProductTypes) }),
    ...(allowedTerms && { allowedTerms: sorted(allowedTerms) }),
    ...(allowedBillingPlans && { allowedBillingPlans: sorted(allowedBillingPlans) }),
    ...Object.fromEntries(amounts),
    ...(expiresOn && { expiresOn: expiresOn.toISOString() }),
    ...(body.approvalAbove !== undefined && { approvalHours: body.approvalHours ?? DEFAULT_APPROVAL_HOURS }),
  };
}

/** @throws ApiError PreconditionRequired, PreconditionFailed, StaleEtag */
function demandCurrent(row: GuardsRow | undefined, sent: string | undefined, ifMatch: string | undefined): void {
  const current = quoted(row?.version ?? 0);
  if (row && ifMatch === undefined && sent === undefined) throw new ApiError('PreconditionRequired');
  if (ifMatch !== undefined && !matches(parseIfMatch(ifMatch), current)) throw new ApiError('PreconditionFailed');
  if (sent !== undefined && sent.replace(/^"(.*)"$/, '$1') !== String(row?.version ?? 0)) {
    throw new ApiError('StaleEtag');
  }
}

/**
 * Replaces the guards of a permission. The customer is locked: a purchase is judged by the guards before or by those
 * after, and the caps hold. What is already so is not changed and not logged.
 * @throws ApiError CustomerNotFound; InvalidProperty; PreconditionRequired, PreconditionFailed, StaleEtag
 */
export async function replaceGuards(
  tx: Tx,
  act: Act,
  commitWith: CommitWith,
  key: GuardsKey,
  body: PurchaseGuardsUpdate,
  ifMatch: string | undefined,
): Promise<PurchaseGuards> {
  const { partnerId } = act;
  const { customerId, resource } = key;
  const guards = readGuards(body);
  const [{ customer, now }, before, known] = await Promise.all([
    lockCustomer(tx, partnerId, customerId),
    findGuards(tx, partnerId, customerId, resource),
    listKnownSubscriptions(tx, partnerId, customerId, guards.allowedSubscriptions ?? []),
  ]);
  if (!customer) throw new ApiError('CustomerNotFound');
  demandCurrent(before, body.attributes?.etag, ifMatch);

  const faults = (guards.allowedSubscriptions ?? [])
    .filter((id) => !known.includes(id))
    .map((id) => `body/allowedSubscriptions: ${id} is no Azure subscription of this customer.`);
  // What was set may pass and be sent back; a new end in the past is a slip.
  if (guards.expiresOn !== undefined && guards.expiresOn !== before?.guards.expiresOn) {
    if (new Date(guards.expiresOn) <= now) {
      faults.push('body/expiresOn is in the past. Send a later time, or switch the permission off.');
    }
  }
  if (faults.length > 0) throw new ApiError('InvalidProperty', { data: faults });
  if (isDeepStrictEqual(before?.guards ?? {}, guards)) return toPurchaseGuards(before);

  const row: GuardsRow = {
    partner_id: partnerId,
    customer_id: customerId,
    resource,
    guards,
    version: (before?.version ?? 0) + 1,
    changed_on: now,
    changed_by: nameOf(act.actor),
  };
  commitWith(upsertGuards(tx, row));
  appendEntries(
    tx,
    act,
    customer,
    now,
    [
      {
        operationType: 'update_self_serve_policy',
        resourceType: 'self_serve_policy',
        resourceId: policyId(partnerId, customerId),
        oldValue: { resource, guards: before?.guards ?? {} },
        newValue: { resource, guards },
        customizedData: [{ key: 'Permission', value: resource }],
      },
    ],
    commitWith,
  );
  return toPurchaseGuards(row);
}
