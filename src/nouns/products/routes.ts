import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyRequest } from 'fastify';
import { type TProperties, type TSchema, Type } from 'typebox';
import type { DatabaseHandle, Reading } from '../../db/connect.js';
import { ApiError } from '../../errors/api-error.js';
import { partnerCenterPage } from '../../http/paging.js';
import { refusals } from '../../http/responses.js';
import { Country, lowerCaseUuid, ref, textEnum, Uuid } from '../../http/schemas.js';
import { READERS } from '../../plugins/authorization.js';
import { findPriceCurrency } from '../prices/find-price.js';
import { findMarket } from '../subscriptions/queries.js';
import { checkInventory } from './check-inventory.js';
import {
  Availability,
  AvailabilityCollection,
  InventoryCheckRequest,
  InventoryItemList,
  Product,
  ProductCollection,
  Sku,
  SkuCollection,
  TARGET_SEGMENTS,
  TARGET_VIEWS,
} from './schemas.js';
import { getSku, listProducts, listSkus, type TargetView } from './service.js';
import { type Catalogue, productNameOf, toAvailability, toProduct, toSku } from './view.js';

export interface ProductOptions {
  db: DatabaseHandle;
  now: () => Date;
}

/** The two places of the catalogue: of a country, and of a customer, whose country it is. */
interface Place {
  /** Part of operation ids: `listCustomerProducts`. */
  name: string;
  title: string;
  path: string;
  params: TProperties;
  query: TProperties;
}

const PLACES: readonly Place[] = [
  { name: '', title: 'in a country', path: '/v1/products', params: {}, query: { country: Country } },
  {
    name: 'Customer',
    title: 'for a customer',
    path: '/v1/customers/:customer/products',
    params: { customer: Uuid },
    query: {},
  },
];

/** Path parameters and query of every route of a place, as they come. */
interface Asked {
  customer?: string;
  product: string;
  sku: string;
  availability: string;
  country?: string;
  targetView: TargetView;
  targetSegment?: string;
}

/** What a route looks into. */
interface Shelf {
  reading: Reading;
  partnerId: string;
  asked: Asked;
  catalogue: Catalogue;
  at: Date;
}

interface CatalogueRoute {
  path: string;
  operationId: (place: string) => string;
  summary: string;
  description?: string;
  params: TProperties;
  query: TProperties;
  answer: TSchema;
  /** Of a list: its address below that of the products. */
  address?: (asked: Asked) => string;
  find: (shelf: Shelf) => Promise<object>;
}

const Id = Type.String({ pattern: '^[^\\x00-\\x1f\\x7f]{1,100}$' });
const tags = ['Products'];
const config = { access: { partner: READERS } };
const segment = {
  targetSegment: Type.Optional(textEnum(TARGET_SEGMENTS, { description: '`commercial`; no other is served.' })),
  reservationScope: Type.Optional(
    textEnum(['AzurePlan'], { description: 'Reservations are the same for Azure plans and MS-AZR-0145P.' }),
  ),
};

const skusOf = ({ reading, partnerId, asked, catalogue, at }: Shelf) =>
  listSkus(reading, partnerId, { productId: asked.product, country: catalogue.country, at });
const skuOf = ({ reading, partnerId, asked, catalogue, at }: Shelf) =>
  getSku(reading, partnerId, { productId: asked.product, skuId: asked.sku, country: catalogue.country, at });

const ROUTES: readonly CatalogueRoute[] = [
  {
    path: '',
    operationId: (place) => `list${place}Products`,
    summary: 'List the products',
    description: 'All of them in one answer. Reservations are sold where they have a price, in markets that have them.',
    params: {},
    query: { targetView: textEnum(TARGET_VIEWS), ...segment },
    answer: ref(ProductCollection),
    async find({ reading, partnerId, asked, catalogue, at }) {
      const { country } = catalogue;
      const found = await listProducts(reading, partnerId, { view: asked.targetView, country, at });
      return found.map((product) => toProduct(product, catalogue));
    },
  },
  {
    path: '/:product',
    operationId: (place) => `get${place}Product`,
    summary: 'Get a product',
    params: { product: Id },
    query: {},
    answer: ref(Product),
    async find(shelf) {
      const [[item]] = await skusOf(shelf);
      return toProduct(productNameOf(item), shelf.catalogue);
    },
  },
  {
    path: '/:product/skus',
    operationId: (place) => `list${place}Skus`,
    summary: 'List the SKUs of a product',
    description: 'All of them in one answer.',
    params: { product: Id },
    query: segment,
    answer: ref(SkuCollection),
    address: ({ product }) => `/${product.toUpperCase()}/skus`,
    find: async (shelf) => (await skusOf(shelf)).map((items) => toSku(items, shelf.catalogue)),
  },
  {
    path: '/:product/skus/:sku',
    operationId: (place) => `get${place}Sku`,
    summary: 'Get a SKU',
    params: { product: Id, sku: Id },
    query: segment,
    answer: ref(Sku),
    find: async (shelf) => toSku(await skuOf(shelf), shelf.catalogue),
  },
  {
    path: '/:product/skus/:sku/availabilities',
    operationId: (place) => `list${place}Availabilities`,
    summary: 'List the availabilities of a SKU',
    description: 'One for each region. Orders and carts name its `catalogItemId`.',
    params: { product: Id, sku: Id },
    query: segment,
    answer: ref(AvailabilityCollection),
    address: ({ product, sku }) => `/${product.toUpperCase()}/skus/${sku.toUpperCase()}/availabilities`,
    find: async (shelf) => (await skuOf(shelf)).map((item) => toAvailability(item, shelf.catalogue)),
  },
  {
    path: '/:product/skus/:sku/availabilities/:availability',
    operationId: (place) => `get${place}Availability`,
    summary: 'Get an availability',
    params: { product: Id, sku: Id, availability: Id },
    query: segment,
    answer: ref(Availability),
    async find(shelf) {
      const id = shelf.asked.availability.toUpperCase();
      const item = (await skuOf(shelf)).find(({ availabilityId }) => availabilityId === id);
      if (!item) throw new ApiError('AvailabilityNotFound');
      return toAvailability(item, shelf.catalogue);
    },
  },
];

/** @throws ApiError CustomerNotFound */
async function catalogueOf(reading: Reading, partnerId: string, asked: Asked): Promise<Catalogue> {
  const currencyCode = await findPriceCurrency(reading, partnerId);
  if (asked.customer === undefined) {
    const country = asked.country?.toUpperCase() ?? '';
    return { country, currencyCode, path: '/products', query: `?country=${country}` };
  }
  const customerId = lowerCaseUuid(asked.customer);
  const country = await findMarket(reading, partnerId, customerId);
  if (country === undefined) throw new ApiError('CustomerNotFound');
  return { country, currencyCode, path: `/customers/${customerId}/products`, query: '' };
}

/** Products, SKUs and availabilities (https://learn.microsoft.com/partner-center/developer/purchase-catalog-items). */
export const products: FastifyPluginAsyncTypebox<ProductOptions> = async (app, { db, now }) => {
  async function answer(request: FastifyRequest, route: CatalogueRoute): Promise<object> {
    const query = request.query as Record<string, string | undefined>;
    const asked = { ...(request.params as object), ...query } as unknown as Asked;
    const { targetSegment } = asked;
    if (targetSegment !== undefined && targetSegment !== 'commercial') throw new ApiError('TargetSegmentNotAllowed');
    const partnerId = request.caller.tenantId;
    const [catalogue, found] = await db.read(partnerId, async (reading) => {
      const catalogue = await catalogueOf(reading, partnerId, asked);
      return [catalogue, await route.find({ reading, partnerId, asked, catalogue, at: now() })] as const;
    });
    if (!Array.isArray(found)) return found;
    return partnerCenterPage({ items: found, path: `${catalogue.path}${route.address?.(asked) ?? ''}`, query });
  }

  for (const place of PLACES) {
    for (const route of ROUTES) {
      const { path, operationId, summary, description, params, query } = route;
      const schema = {
        tags,
        operationId: operationId(place.name),
        summary: `${summary} ${place.title}`,
        ...(description !== undefined && { description }),
        params: Type.Object({ ...place.params, ...params }),
        querystring: Type.Object({ ...place.query, ...query }),
        response: { 200: route.answer, ...refusals() },
      };
      app.get(`${place.path}${path}`, { config, schema }, (request) => answer(request, route));
    }
  }

  app.post(
    '/v1/extensions/product/checkinventory',
    {
      config,
      schema: {
        tags,
        operationId: 'checkInventory',
        summary: 'Check what can be bought for an Azure subscription',
        description: 'One answer a SKU; what the catalogue does not have is left out. Changes nothing.',
        querystring: Type.Object({ country: Country }),
        body: ref(InventoryCheckRequest),
        response: { 200: ref(InventoryItemList), ...refusals(409, 413, 415) },
      },
    },
    async (request) => {
      const partnerId = request.caller.tenantId;
      const where = { country: request.query.country, at: now() };
      return db.read(partnerId, (reading) => checkInventory(reading, partnerId, request.body, where));
    },
  );
};
