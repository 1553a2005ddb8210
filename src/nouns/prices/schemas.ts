import { type Static, Type } from 'typebox';
import { Attributes, collection, IsoDateTime, Links, ref, textEnum, Uuid } from '../../http/schemas.js';

const OWN = { additionalProperties: false };
const Currency = Type.String({ pattern: '^[A-Z]{3}$', description: 'ISO 4217', examples: ['USD'] });

/** Own resources: Partner Center has no price book, partners set their prices elsewhere. */
export const PriceBookEntry = Type.Object(
  {
    customerId: Type.Optional(Type.String({ ...Uuid, description: 'A customer of the partner.' })),
    reservedResourceType: Type.Optional(
      Type.String({ minLength: 1, maxLength: 100, description: 'As Microsoft.Capacity names it: VirtualMachines.' }),
    ),
    skuName: Type.Optional(
      Type.String({ pattern: '^[^\\x00-\\x1f\\x7f]{1,200}$', description: '`armSkuName` of the retail price.' }),
    ),
    location: Type.Optional(Type.String({ pattern: '^[A-Za-z0-9-]{1,60}$', description: 'ARM region name.' })),
    term: Type.Optional(textEnum(['P1Y', 'P3Y', 'P5Y'])),
    marginPercent: Type.Optional(
      Type.String({
        pattern: '^-?\\d{1,4}(\\.\\d{1,4})?$',
        description: 'Percent on top of retail, above -100 and at most 1000. Either this or `unitPrice`.',
        examples: ['12.5'],
      }),
    ),
    unitPrice: Type.Optional(
      Type.String({
        pattern: '^\\d{1,12}(\\.\\d{1,4})?$',
        description: 'Price of one unit for the whole term, in the currency of the book.',
        examples: ['529.00'],
      }),
    ),
  },
  {
    $id: 'PriceBookEntry',
    ...OWN,
    description:
      'What it leaves out matches everything. One for the customer beats every other; then one for the SKU, the location, the term, the product type, in this order.',
  },
);
export type PriceBookEntry = Static<typeof PriceBookEntry>;

const Entries = Type.Array(ref(PriceBookEntry), { maxItems: 2000 });
const RetailCurrency = Type.String({ ...Currency, description: 'ISO 4217; retail prices of this currency are taken.' });
const example = {
  currencyCode: 'USD',
  entries: [
    { marginPercent: '10' },
    { customerId: '0431a72c-7d8a-4393-b25e-ef63f5efb415', skuName: 'Standard_D2s_v5', unitPrice: '529.00' },
  ],
};

export const PriceBook = Type.Object(
  { currencyCode: RetailCurrency, entries: Entries, attributes: Attributes('PriceBook') },
  {
    $id: 'PriceBook',
    description: 'What the customers pay: retail with a margin, or fixed prices.',
    examples: [{ ...example, attributes: { etag: '"3"', objectType: 'PriceBook' } }],
  },
);
export type PriceBook = Static<typeof PriceBook>;

export const PriceBookUpdate = Type.Object(
  {
    currencyCode: RetailCurrency,
    entries: Entries,
    attributes: Type.Optional(
      Type.Object(
        {
          etag: Type.Optional(Type.String({ description: 'As read last, where `If-Match` does not say it.' })),
          objectType: Type.Optional(textEnum(['PriceBook'])),
        },
        OWN,
      ),
    ),
  },
  {
    $id: 'PriceBookUpdate',
    ...OWN,
    description: 'The whole price book. It replaces the one there is, under a new version.',
    examples: [example],
  },
);
export type PriceBookUpdate = Static<typeof PriceBookUpdate>;

export const PriceBookVersion = Type.Object(
  {
    version: Type.Integer({ minimum: 1 }),
    currencyCode: Currency,
    entries: Type.Optional(Type.Array(ref(PriceBookEntry), { description: 'Left out in lists.' })),
    changedOn: IsoDateTime,
    changedBy: Type.String({ description: 'User principal name, or application id.' }),
    links: ref(Links),
    attributes: Attributes('PriceBookVersion'),
  },
  {
    $id: 'PriceBookVersion',
    description: 'The price book as it was put once. Every quote names the one it was made with.',
    examples: [
      {
        version: 3,
        ...example,
        changedOn: '2026-07-01T09:30:00.000Z',
        changedBy: 'admin@contosopartner.onmicrosoft.com',
        links: { self: { uri: '/pricebook/versions/3', method: 'GET', headers: [] } },
        attributes: { objectType: 'PriceBookVersion' },
      },
    ],
  },
);
export type PriceBookVersion = Static<typeof PriceBookVersion>;

export const PriceBookVersionCollection = collection('PriceBookVersionCollection', PriceBookVersion);
