import type { CommitWith, Tx } from '../../db/connect.js';
import { ApiError } from '../../errors/api-error.js';
import { uuidv4 } from '../../lib/uuid.js';
import type { Act } from '../../plugins/idempotency/plugin.js';
import { demandReseller, lockForOrdering, type OrderingFacts } from '../orders/load-facts.js';
import { judgeCart } from './judge-cart.js';
import { type CartRow, findCart, insertCart, updateCart } from './queries.js';
import type { Cart, CartCreate, CartUpdate } from './schemas.js';
import { cartEtag, toCart } from './view.js';

/** "Carts live 7 days" (https://learn.microsoft.com/partner-center/developer/checkout-a-cart). */
const LIFE_MILLISECONDS = 7 * 24 * 60 * 60 * 1000;

export interface CartKey {
  customerId: string;
  cartId: string;
}

/** @throws ApiError CartNotFound, also for one that expired before it was ordered */
export function demandCart(row: CartRow | undefined, now: Date): CartRow {
  if (!row || (row.status === 'Active' && row.expires_on <= now)) throw new ApiError('CartNotFound');
  return row;
}

/** @throws ApiError CustomerNotFound, CartNotFound */
export async function lockCart(
  tx: Tx,
  partnerId: string,
  { customerId, cartId }: CartKey,
): Promise<{ facts: OrderingFacts; cart: CartRow }> {
  const [facts, row] = await Promise.all([
    lockForOrdering(tx, partnerId, customerId),
    findCart(tx, partnerId, customerId, cartId),
  ]);
  return { facts, cart: demandCart(row, facts.now) };
}

/** Partner Center shows the id. */
export const modifiedBy = ({ actor }: Act) => actor.id ?? actor.type;

/**
 * Makes a cart. What is wrong with a line is written on it and does not refuse the cart.
 * https://learn.microsoft.com/partner-center/developer/create-a-cart
 * @throws ApiError CustomerNotFound, NoRelationship
 */
export async function createCart(
  tx: Tx,
  act: Act,
  commitWith: CommitWith,
  customerId: string,
  wanted: CartCreate,
): Promise<Cart> {
  const { partnerId } = act;
  const facts = await lockForOrdering(tx, partnerId, customerId);
  demandReseller(facts);
  const row: CartRow = {
    partner_id: partnerId,
    customer_id: customerId,
    cart_id: uuidv4(),
    status: 'Active',
    lines: await judgeCart(tx, partnerId, facts, wanted.lineItems, []),
    checkout_result: null,
    created_on: facts.now,
    last_modified_on: facts.now,
    last_modified_by: modifiedBy(act),
    expires_on: new Date(facts.now.getTime() + LIFE_MILLISECONDS),
    version: 1,
  };
  commitWith(insertCart(tx, row));
  return toCart(row);
}

/**
 * Replaces the lines of a cart.
 * @throws ApiError CustomerNotFound, CartNotFound, NoRelationship, CartSubmitted, StaleEtag
 */
export async function updateLines(
  tx: Tx,
  act: Act,
  commitWith: CommitWith,
  key: CartKey,
  wanted: CartUpdate,
): Promise<Cart> {
  const { facts, cart } = await lockCart(tx, act.partnerId, key);
  demandReseller(facts);
  if (cart.status === 'Ordered') throw new ApiError('CartSubmitted');
  const etag = wanted.attributes?.etag?.replace(/^"|"$/g, '');
  if (etag !== undefined && etag !== cartEtag(cart)) throw new ApiError('StaleEtag');
  const row: CartRow = {
    ...cart,
    lines: await judgeCart(tx, act.partnerId, facts, wanted.lineItems, cart.lines),
    last_modified_on: facts.now,
    last_modified_by: modifiedBy(act),
    version: cart.version + 1,
  };
  commitWith(updateCart(tx, row));
  return toCart(row);
}
