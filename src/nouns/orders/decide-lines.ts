import type { Tx } from '../../db/connect.js';
import type { QuotedPrice } from '../../db/tables.js';
import { ApiError } from '../../errors/api-error.js';
import { uuidv4 } from '../../lib/uuid.js';
import { findPriceUnder } from '../prices/find-price.js';
import type { CatalogItem } from '../products/service.js';
import { loadFacts } from '../purchase-permissions/facts-queries.js';
import { ownersOf } from '../purchase-permissions/owners.js';
import { customerFact } from '../purchase-permissions/service.js';
import { OWNER_ROLE_ID } from '../role-assignments/built-in-roles.js';
import { type SubscriptionRow, toAzureSubscriptionRow, toSubscriptionRow } from '../subscriptions/wire.js';
import { judgeLine, type OfferLine, type ReservationLine, type WantedLine } from './judge-line.js';
import { getItem, type OrderingFacts } from './load-facts.js';

export interface NumberedLine extends WantedLine {
  lineItemNumber: number;
}

export interface DecidedOffer extends OfferLine {
  number: number;
  subscription: SubscriptionRow;
  azureSubscriptionId: string;
}
export interface DecidedReservation extends ReservationLine {
  number: number;
  price: QuotedPrice;
  ownerIds: string[];
}
/** A line that can be bought, with all that it makes. */
export type Decided = DecidedOffer | DecidedReservation;

function demandAgreement(item: CatalogItem, { agreements }: OrderingFacts): void {
  // MS-AZR-0145P is the offer of the agreement before.
  const accepted = item.kind === 'ms-azr-0145p' ? agreements.size > 0 : agreements.has('MicrosoftCustomerAgreement');
  if (!accepted) throw new ApiError('AgreementNotAccepted');
}

function newSubscription({ item, line, billingCycle }: OfferLine, orderId: string, facts: OrderingFacts) {
  const { customer, now, seller } = facts;
  const partnerIdOnRecord = line.partnerIdOnRecord ?? seller.mpnId;
  const azureSubscriptionId = uuidv4();
  const isPlan = item.kind === 'azure-plan';
  const subscription = toSubscriptionRow(
    {
      id: uuidv4(),
      offerId: item.catalogItemId,
      offerName: item.title,
      friendlyName: line.friendlyName ?? item.title,
      productType: { id: 'Azure', displayName: 'Azure' },
      ...(!isPlan && { entitlementId: azureSubscriptionId }),
      quantity: line.quantity,
      unitType: 'Usage-based',
      status: 'active',
      billingType: 'usage',
      billingCycle,
      creationDate: now.toISOString(),
      publisherName: 'Microsoft Corporation',
      ...(partnerIdOnRecord !== null && { partnerId: partnerIdOnRecord }),
      orderId,
    },
    { partnerId: customer.partner_id, customerId: customer.customer_id },
  );
  return { subscription, azureSubscriptionId };
}

/** The users who are Owner of the Azure subscription now. */
async function listOwners(tx: Tx, { customer, now }: OrderingFacts, azureSubscriptionId: string): Promise<string[]> {
  const facts = await loadFacts(tx, customer.partner_id, customer.customer_id, [OWNER_ROLE_ID]);
  return ownersOf({ ...facts, customer: customerFact(customer) }, azureSubscriptionId, now);
}

/**
 * Decides on the lines of an order, one after the other: a plan that one line buys is there for the next.
 * @throws ApiError AgreementNotAccepted, PriceNotFound, TotalTooLarge, and those of getItem and judgeLine
 */
export async function decideLines(
  tx: Tx,
  facts: OrderingFacts,
  lines: readonly NumberedLine[],
  orderId: string,
): Promise<{ decided: Decided[]; after: OrderingFacts }> {
  const { customer, now } = facts;
  const { partner_id: partnerId, customer_id: customerId } = customer;
  const decided: Decided[] = [];
  let after = facts;
  for (const line of lines) {
    const item = await getItem(tx, partnerId, line.offerId, now);
    demandAgreement(item, after);
    const judged = judgeLine(line, item, after);
    const number = line.lineItemNumber;
    if (judged.kind === 'offer') {
      const made = newSubscription(judged, orderId, after);
      decided.push({ ...judged, ...made, number });
      const { subscription_id: subscriptionId, friendly_name: friendlyName } = made.subscription;
      const bought = { id: made.azureSubscriptionId, friendlyName, status: 'active' as const, subscriptionId };
      after = {
        ...after,
        subscriptions: [...after.subscriptions, made.subscription],
        azureSubscriptions: [
          ...after.azureSubscriptions,
          toAzureSubscriptionRow(bought, { partnerId, customerId }, now),
        ],
      };
      continue;
    }
    const [price, ownerIds] = await Promise.all([
      findPriceUnder(tx, partnerId, facts.priceBook, { ...judged.request, customerId, at: now }),
      listOwners(tx, facts, judged.request.azureSubscriptionId),
    ]);
    if (!price) throw new ApiError('PriceNotFound');
    decided.push({ ...judged, number, price, ownerIds });
  }
  return { decided, after };
}
