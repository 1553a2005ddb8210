import type { Reading } from '../../db/connect.js';
import type { PricedSku } from './catalog-item.js';

export interface SkuFilter {
  currencyCode: string;
  /** Prices that come into force later do not count. */
  at: Date;
  productId?: string;
  skuId?: string;
}

/** The SKUs of which there is a retail price, each with each of its terms once, named as the newest price names them. */
export async function listPricedSkus(db: Reading, partnerId: string, filter: SkuFilter): Promise<PricedSku[]> {
  const { currencyCode, at, productId, skuId } = filter;
  const key = ['product_id', 'sku_id', 'reserved_resource_type', 'location', 'sku_key', 'term'] as const;
  return db
    .selectFrom('retail_prices')
    .distinctOn(key)
    .select([
      'product_id as productId',
      'sku_id as skuId',
      'reserved_resource_type as reservedResourceType',
      'location',
      'arm_sku_name as skuName',
      'term',
      'product_name as productName',
    ])
    .where('partner_id', '=', partnerId)
    .where('currency_code', '=', currencyCode)
    .where('effective_on', '<=', at)
    .$if(productId !== undefined, (query) => query.where('product_id', '=', productId ?? ''))
    .$if(skuId !== undefined, (query) => query.where('sku_id', '=', skuId ?? ''))
    .orderBy(key)
    .orderBy('effective_on', 'desc')
    .execute();
}
