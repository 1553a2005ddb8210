import type { Term } from '../../db/column-types.js';

/** What has a retail price. Letter case does not count. */
export interface PriceKey {
  reservedResourceType: string;
  /** `armSkuName` of the retail price. */
  skuName: string;
  /** ARM region name. */
  location: string;
  term: Term;
}
