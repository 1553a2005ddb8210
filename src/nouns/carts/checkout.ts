import type { CommitWith, Tx } from '../../db/connect.js';
import type { CartLine } from '../../db/tables.js';
import { ApiError } from '../../errors/api-error.js';
import type { Act } from '../../plugins/idempotency/plugin.js';
import { demandReseller } from '../orders/load-facts.js';
import { placeOrder } from '../orders/place-order.js';
import type { OrderResult } from '../orders/service.js';
import { toOrder } from '../orders/view.js';
import { type PermissionRules, reevaluate } from '../purchase-permissions/service.js';
import type { MadeReservation } from '../reservations/create.js';
import { toWantedLine } from './judge-cart.js';
import { type CartRow, updateCart } from './queries.js';
import type { CartCheckoutResult } from './schemas.js';
import { type CartKey, lockCart, modifiedBy } from './service.js';

export interface Checkout extends Omit<OrderResult, 'order'> {
  result: CartCheckoutResult;
}

type OrderErrors = NonNullable<CartCheckoutResult['orderErrors']>;

/** @throws ApiError CartItemsInvalid, with the lines in `data` */
function demandNoErrors(cart: CartRow): void {
  const wrong = cart.lines.flatMap(({ id, error }) => (error ? `Line ${id}: ${error.errorDescription}` : []));
  if (wrong.length > 0) throw new ApiError('CartItemsInvalid', { data: wrong });
}

function groupsOf(lines: readonly CartLine[]): Map<string, CartLine[]> {
  const groups = new Map<string, CartLine[]>();
  for (const line of lines) {
    const group = line.orderGroup ?? '';
    groups.set(group, [...(groups.get(group) ?? []), line]);
  }
  return groups;
}

function stored(cart: CartRow): CartCheckoutResult | undefined {
  return cart.checkout_result === null ? undefined : (cart.checkout_result as CartCheckoutResult);
}

/**
 * Orders a cart, one order for each group: all lines of a group or none, and what failed stands in `orderErrors`. A
 * repetition gets the first result; groups that failed are tried again.
 * https://learn.microsoft.com/partner-center/developer/checkout-a-cart
 * @throws ApiError CustomerNotFound, CartNotFound, CartItemsInvalid, NoRelationship, AgreementNotAccepted: nothing is
 *   ordered then
 */
export async function checkOut(
  tx: Tx,
  act: Act,
  commitWith: CommitWith,
  rules: PermissionRules,
  key: CartKey,
): Promise<Checkout> {
  const locked = await lockCart(tx, act.partnerId, key);
  const { cart } = locked;
  let { facts } = locked;
  const before = stored(cart);
  const failed = before?.orderErrors?.map(({ orderGroupId }) => orderGroupId);
  if (before && failed === undefined) return { result: before, changes: [], reservations: [] };
  demandNoErrors(cart);
  demandReseller(facts);

  const orders = [...(before?.orders ?? [])];
  const errors: OrderErrors = [];
  const reservations: MadeReservation[] = [];
  let madeSubscriptions = false;
  for (const [group, lines] of groupsOf(cart.lines)) {
    if (failed && !failed.includes(group)) continue;
    const wanted = lines.map((line, index) => ({ ...toWantedLine(line), lineItemNumber: index }));
    try {
      const placed = await placeOrder(tx, act, commitWith, facts, wanted);
      facts = placed.after;
      orders.push(toOrder(placed.order, facts.country, { includePrice: false, now: facts.now }));
      reservations.push(...placed.reservations);
      madeSubscriptions ||= placed.madeSubscriptions;
    } catch (error) {
      // Without the agreement nothing can be ordered for the customer: that is no error of a group.
      if (!(error instanceof ApiError) || error.errorName === 'AgreementNotAccepted') throw error;
      errors.push({ orderGroupId: group, code: Number(error.code), description: error.message });
    }
  }
  const result: CartCheckoutResult = {
    orders,
    ...(errors.length > 0 && { orderErrors: errors }),
    attributes: { objectType: 'CartCheckoutResult' },
  };
  // A cart of which nothing was ordered stays as it is, and can be corrected.
  if (orders.length > (before?.orders.length ?? 0)) {
    commitWith(
      updateCart(tx, {
        ...cart,
        status: 'Ordered',
        checkout_result: result,
        last_modified_on: facts.now,
        last_modified_by: modifiedBy(act),
        version: cart.version + 1,
      }),
    );
  }
  const changes = madeSubscriptions ? await reevaluate(tx, act, commitWith, rules, facts.customer, facts.now) : [];
  return { result, changes, reservations };
}
