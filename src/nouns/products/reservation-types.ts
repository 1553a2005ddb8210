import type { BillingPlan, Term } from '../../db/column-types.js';
import data from './catalogue/reservation-types.json' with { type: 'json' };

export type ReservationTargetView = 'AzureReservationsVM' | 'AzureReservationsSQL' | 'AzureReservationsCosmosDb';

/** What can be reserved, and by which rules. */
export interface ReservationType {
  /** As Microsoft.Capacity names it: VirtualMachines, SqlDatabases, … */
  reservedResourceType: string;
  /** How titles begin: `Reserved VM Instance, Standard_D2s_v5, westeurope, 1 Year`. */
  title: string;
  /** Resource provider, `kind` of a reservation. */
  kind: string;
  /** `serviceName` of the Azure Retail Prices API. */
  serviceNames: readonly string[];
  /** Parts of `productName` that tell types of one service apart; absent: it has those that no other type claims. */
  productNames?: readonly string[];
  terms: readonly Term[];
  billingPlans: readonly BillingPlan[];
  refundable: boolean;
  /** Reservations of one family can be exchanged for each other. */
  exchangeFamily: string;
  instanceFlexibility: boolean;
  /** Besides AzureReservations, which lists every type. */
  targetViews: readonly ReservationTargetView[];
}

const types = data.types as readonly ReservationType[];
const byName = new Map(types.map((type) => [type.reservedResourceType.toLowerCase(), type]));

/** @param name of a reserved resource type, in any letter case */
export function findReservationType(name: string): ReservationType | undefined {
  return byName.get(name.toLowerCase());
}

export function listReservationTypes(): readonly ReservationType[] {
  return types;
}

/** The type of a retail price. Its service decides, and where several types are of one service, its product. */
export function findTypeOfPrice(serviceName: string, productName: string): ReservationType | undefined {
  const same = (one: string) => one.toLowerCase() === serviceName.toLowerCase();
  const product = productName.toLowerCase();
  const ofService = types.filter((type) => type.serviceNames.some(same));
  return (
    ofService.find((type) => type.productNames?.some((part) => product.includes(part.toLowerCase()))) ??
    ofService.find((type) => type.productNames === undefined)
  );
}
