import type { CommitWith, Reading, Tx } from '../../db/connect.js';
import { toDecimal } from '../../lib/money.js';
import type { Act } from '../../plugins/idempotency/plugin.js';
import { exchangeReservations } from '../refunds/exchange.js';
import { returnReservation } from '../refunds/return.js';
import type { RefundFee } from '../refunds/rules.js';
import { type Locked, pickReservation, readOrder } from '../reservations/change.js';
import type { AppliedScope } from '../reservations/create.js';
import type { WantedPurchase } from '../reservations/purchase-request.js';
import type { ReservationOrderRow, ReservationRow } from '../reservations/queries.js';
import { rescopeReservation, setRenew } from '../reservations/update.js';
import type { ChangeRequestRow } from './queries.js';
import type { ExchangedFor, Wish } from './schemas.js';
import type { Performed } from './view.js';

function scopeOf(row: ReservationRow): AppliedScope {
  const { applied_scope_type: type, applied_scope: scope } = row;
  return { type, scope, tenantId: row.applied_scope_tenant_id, displayName: row.applied_scope_name };
}

/** Of the kind of the old reservation, billed where it was and applied where it was. */
function purchaseOf(order: ReservationOrderRow, old: ReservationRow, wanted: ExchangedFor): WantedPurchase {
  return {
    request: {
      azureSubscriptionId: order.billing_subscription_id,
      reservedResourceType: order.reserved_resource_type,
      skuName: wanted.skuName,
      location: wanted.location.replaceAll(' ', '').toLowerCase(),
      term: wanted.term,
      billingPlan: wanted.billingPlan ?? 'Upfront',
      quantity: wanted.quantity,
    },
    displayName: undefined,
    scope: scopeOf(old),
    instanceFlexibility: old.instance_flexibility,
    renew: false,
    reviewOn: null,
  };
}

async function findUnits(db: Reading, row: ChangeRequestRow, quantity: number | undefined) {
  const { customer_id: customerId, reservation_order_id: reservationOrderId } = row;
  const state = await readOrder(db, row.partner_id, { customerId, reservationOrderId });
  const reservation = pickReservation(state.reservations, row.reservation_id);
  const units = {
    reservationOrderId: row.reservation_order_id,
    reservationId: row.reservation_id,
    quantity: quantity ?? reservation.quantity,
  };
  return { order: state.order, reservation, units };
}

const sum = (amounts: readonly number[]) => amounts.reduce((total, amount) => total + amount, 0);

/**
 * Does what the request asks for, as the partner, in a transaction that has locked the customer; it logs itself. What
 * was asked without a quantity is about all units that there are now, at the prices of now.
 * @throws ApiError what the operations throw: the request then stays open
 */
export async function performChange(
  tx: Tx,
  act: Act,
  commitWith: CommitWith,
  fees: readonly RefundFee[],
  locked: Locked,
  row: ChangeRequestRow,
): Promise<Performed> {
  const { quantity, renew = false, purchase, ...scope } = row.request as Wish;
  const key = {
    customerId: row.customer_id,
    reservationOrderId: row.reservation_order_id,
    reservationId: row.reservation_id,
  };
  switch (row.kind) {
    case 'scope':
      await rescopeReservation(tx, act, commitWith, locked, key, scope);
      return {};
    case 'renew':
      await setRenew(tx, act, commitWith, locked, key, renew);
      return {};
    case 'cancel': {
      const { units } = await findUnits(tx, row, quantity);
      const wanted = { ...units, reason: row.comment };
      const { refund } = await returnReservation(tx, act, commitWith, fees, locked, wanted);
      return {
        refund: { amount: toDecimal(refund.refundMinor, refund.currencyCode), currencyCode: refund.currencyCode },
      };
    }
    case 'exchange': {
      if (!purchase) throw new Error('an exchange was filed without a purchase');
      const { order, reservation, units } = await findUnits(tx, row, quantity);
      const wanted = { returns: [units], purchases: [purchaseOf(order, reservation, purchase)] };
      const { appraisal, made } = await exchangeReservations(tx, act, commitWith, locked, wanted);
      const refunded = sum(appraisal.returned.map(({ refund }) => refund?.refundMinor ?? 0));
      const newOrderId = made[0]?.order.reservation_order_id;
      return {
        refund: { amount: toDecimal(refunded, order.currency_code), currencyCode: order.currency_code },
        ...(newOrderId !== undefined && { newReservationOrderId: newOrderId }),
      };
    }
  }
}
