import { type Static, Type } from 'typebox';
import { ref } from '../../http/schemas.js';

const Price = Type.Object({ currencyCode: Type.String({ description: 'ISO 4217' }), amount: Type.Number() });
const NamedValues = Type.Array(Type.Object({ name: Type.String(), value: Type.String() }));
const example = {
  resourceType: 'virtualMachines',
  name: 'Standard_D2s_v5',
  billingPlans: { P1Y: ['Upfront', 'Monthly'], P3Y: ['Upfront', 'Monthly'] },
  terms: ['P1Y', 'P3Y'],
  locations: ['westeurope'],
  skuProperties: [{ name: 'ProductTitle', value: 'Virtual Machines Dsv5 Series' }],
  msrp: { p1Y: { currencyCode: 'USD', amount: 605 }, p3Y: { currencyCode: 'USD', amount: 1211 } },
  restrictions: [],
  tier: 'Standard',
  size: 'D2s_v5',
  capabilities: [],
};

/** https://learn.microsoft.com/rest/api/reserved-vm-instances/get-catalog */
export const ReservationCatalog = Type.Object(
  {
    resourceType: Type.String(),
    name: Type.String({ description: '`sku.name` of a purchase.' }),
    billingPlans: Type.Record(Type.String(), Type.Array(Type.String()), { description: 'By term.' }),
    terms: Type.Array(Type.String({ description: 'ISO 8601' })),
    locations: Type.Array(Type.String()),
    skuProperties: NamedValues,
    msrp: Type.Object(
      { p1Y: Type.Optional(Price), p3Y: Type.Optional(Price), p5Y: Type.Optional(Price) },
      { description: "The customer's price of one unit for the whole term, without tax." },
    ),
    restrictions: Type.Array(
      Type.Object({ type: Type.String(), values: Type.Array(Type.String()), reasonCode: Type.String() }),
    ),
    tier: Type.Optional(Type.String()),
    size: Type.Optional(Type.String()),
    capabilities: NamedValues,
  },
  { $id: 'ReservationCatalog', description: 'A SKU that can be reserved in a region.', examples: [example] },
);
export type ReservationCatalog = Static<typeof ReservationCatalog>;

export const ReservationCatalogListResult = Type.Object(
  {
    value: Type.Array(ref(ReservationCatalog)),
    nextLink: Type.Optional(Type.String()),
    totalItems: Type.Integer({ minimum: 0, description: 'Of all pages.' }),
  },
  { $id: 'ReservationCatalogListResult', description: 'A page of the catalogue.' },
);
