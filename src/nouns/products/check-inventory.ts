import type { Reading } from '../../db/connect.js';
import { ApiError } from '../../errors/api-error.js';
import { lowerCaseUuid } from '../../http/schemas.js';
import { findMarket } from '../subscriptions/queries.js';
import { isUsableSubscription } from './queries.js';
import type { InventoryCheckRequest, InventoryItem } from './schemas.js';
import { listSkus, type OneSku } from './service.js';

type Restriction = InventoryItem['restrictions'][number];

function restriction(type: 'Location' | 'Subscription', values: string): Restriction {
  const description = `Restriction identified of type '${type}' with values '${values}'.`;
  return { reasonCode: 'NotAvailableForSubscription', description, properties: { type, values } };
}

/** @throws ApiError InventoryContextMissing, CustomerNotFound */
async function restrictionOfSubscription(
  db: Reading,
  partnerId: string,
  context: InventoryCheckRequest['inventoryContext'] = {},
): Promise<Restriction | undefined> {
  const { customerId, azureSubscriptionId } = context;
  if (customerId === undefined || azureSubscriptionId === undefined) throw new ApiError('InventoryContextMissing');
  const customer = lowerCaseUuid(customerId);
  const subscription = lowerCaseUuid(azureSubscriptionId);
  if ((await findMarket(db, partnerId, customer)) === undefined) throw new ApiError('CustomerNotFound');
  const usable = await isUsableSubscription(db, partnerId, customer, subscription);
  return usable ? undefined : restriction('Subscription', subscription);
}

/**
 * Whether SKUs can be bought for an Azure subscription: there is nothing that runs out here, so what restricts is the
 * subscription and the region. What the catalogue does not have is left out, as in the original.
 * @throws ApiError InventoryContextMissing, CustomerNotFound
 */
export async function checkInventory(
  db: Reading,
  partnerId: string,
  request: InventoryCheckRequest,
  where: { country: string; at: Date },
): Promise<InventoryItem[]> {
  const found = new Map<string, OneSku>();
  for (const { productId, skuId } of request.targetItems) {
    const skus = await listSkus(db, partnerId, { ...where, productId }).catch(ignoreAbsent);
    for (const sku of skus) {
      const [{ productId, skuId: id }] = sku;
      if (!skuId || id === skuId.toUpperCase()) found.set(`${productId}:${id}`, sku);
    }
  }
  const skus = [...found.values()];
  const hasReservations = skus.some(([item]) => item.kind === 'reservation');
  const general = hasReservations
    ? await restrictionOfSubscription(db, partnerId, request.inventoryContext)
    : undefined;
  const region = request.inventoryContext?.armRegionName?.toLowerCase();
  return skus.map((items) => {
    const [{ kind, productId, skuId }] = items;
    const reservations = items.filter((item) => item.kind === 'reservation');
    const elsewhere = region !== undefined && reservations.every((item) => item.location !== region);
    const restrictions =
      kind === 'reservation' ? [general, elsewhere ? restriction('Location', region) : undefined] : [];
    const real = restrictions.filter((one) => one !== undefined);
    return { productId, skuId, isRestricted: real.length > 0, restrictions: real };
  });
}

function ignoreAbsent(error: unknown): [] {
  if (error instanceof ApiError && error.errorName === 'ProductNotFound') return [];
  throw error;
}
