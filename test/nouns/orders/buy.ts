import { listReservationItems } from '../../../src/nouns/products/service.js';
import { CONTOSO, type MadeCustomer, type NewPrice, type ServiceClient } from '../../helpers/service-client.js';

export const PLAN = 'DZH318Z0BPS6:0001:DZH318Z0BML6';
export const GLOBAL = 'MS-AZR-0145P';

/** The partner confirms that the customer accepted the Microsoft Customer Agreement. */
export async function acceptAgreement(
  service: Pick<ServiceClient, 'sql'>,
  { partnerId, customerId }: MadeCustomer,
): Promise<void> {
  await service.sql(
    `insert into customer_agreements values ($1, $2, 'MicrosoftCustomerAgreement', gen_random_uuid(),
       '117a77b0-9360-443b-8795-c6dedc750cf9', now(), '{"firstName":"a","lastName":"b","email":"c@d"}', 'import', now())`,
    [partnerId, customerId],
  );
}

/** A customer without anything bought, that can be ordered for. */
export async function newBuyer(service: ServiceClient): Promise<MadeCustomer> {
  const customer = await service.newCustomer({ eligible: false });
  await acceptAgreement(service, customer);
  return customer;
}

/** A customer whose Azure plan is registered for reservations. */
export async function newReserver(service: ServiceClient): Promise<MadeCustomer> {
  const customer = await service.newCustomer();
  await acceptAgreement(service, customer);
  await register(service, customer);
  return customer;
}

export async function register(
  service: Pick<ServiceClient, 'sql'>,
  { subscriptionId }: MadeCustomer,
  status = 'registered',
) {
  await service.sql('update subscriptions set registration_status = $2 where subscription_id = $1', [
    subscriptionId,
    status,
  ]);
}

let serial = 0;

/** The catalog item of a virtual machine reservation with a SKU of its own, 600 USD for a year unless said otherwise. */
export async function newItem(service: ServiceClient, price: NewPrice = {}): Promise<string> {
  const made = await service.newPrice({ skuName: `Standard_T${String(++serial).padStart(4, '0')}`, ...price });
  const items = await service.db.read(CONTOSO, (db) => listReservationItems(db, CONTOSO, { at: new Date() }));
  const item = items.find(({ skuName }) => skuName === made.skuName);
  if (!item) throw new Error(`there is no item of ${made.skuName}`);
  return item.catalogItemId;
}
