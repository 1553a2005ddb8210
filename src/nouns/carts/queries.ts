import type { Selectable } from 'kysely';
import type { Reading, Tx } from '../../db/connect.js';
import type { CartsTable } from '../../db/tables.js';

export type CartRow = Selectable<CartsTable>;

export async function findCart(
  db: Reading,
  partnerId: string,
  customerId: string,
  cartId: string,
): Promise<CartRow | undefined> {
  return db
    .selectFrom('carts')
    .selectAll()
    .where('partner_id', '=', partnerId)
    .where('customer_id', '=', customerId)
    .where('cart_id', '=', cartId)
    .executeTakeFirst();
}

const asText = (row: CartRow) => ({
  ...row,
  lines: JSON.stringify(row.lines),
  checkout_result: row.checkout_result && JSON.stringify(row.checkout_result),
});

export async function insertCart(tx: Tx, row: CartRow): Promise<void> {
  await tx.insertInto('carts').values(asText(row)).execute();
}

/** Writes what can change of a cart. The caller has raised `version`. */
export async function updateCart(tx: Tx, row: CartRow): Promise<void> {
  const { status, lines, checkout_result, last_modified_on, last_modified_by, version } = asText(row);
  await tx
    .updateTable('carts')
    .set({ status, lines, checkout_result, last_modified_on, last_modified_by, version })
    .where('partner_id', '=', row.partner_id)
    .where('customer_id', '=', row.customer_id)
    .where('cart_id', '=', row.cart_id)
    .execute();
}
