import type { Reading, Tx } from '../../db/connect.js';
import type { PriceBookEntry } from '../../db/purchase-tables.js';
import { ApiError } from '../../errors/api-error.js';
import { matches, parseIfMatch, quoted } from '../../http/etag.js';
import { fitsCurrency, isCurrency } from '../../lib/money.js';
import { type Act, nameOf } from '../../plugins/idempotency/plugin.js';
import { findReservationType } from '../products/reservation-types.js';
import { NO_PRICE_BOOK } from './find-price.js';
import { findPriceBook, insertPriceBook, listKnownCustomers, type PriceBookRow } from './queries.js';
import type { PriceBook, PriceBookUpdate, PriceBookVersion } from './schemas.js';

/** More say no more: who sent them has to look at the whole book. */
const MAX_FAULTS = 20;

/** @param row undefined: customers pay retail */
export function toPriceBook(
  row: Pick<PriceBookRow, 'version' | 'currency_code' | 'entries'> = NO_PRICE_BOOK,
): PriceBook {
  return {
    currencyCode: row.currency_code,
    entries: row.entries,
    attributes: { etag: quoted(row.version), objectType: 'PriceBook' },
  };
}

export function toPriceBookVersion(row: Omit<PriceBookRow, 'entries'> & Partial<PriceBookRow>): PriceBookVersion {
  return {
    version: row.version,
    currencyCode: row.currency_code,
    ...(row.entries && { entries: row.entries }),
    changedOn: row.changed_on.toISOString(),
    changedBy: row.changed_by,
    links: { self: { uri: `/pricebook/versions/${row.version}`, method: 'GET', headers: [] } },
    attributes: { objectType: 'PriceBookVersion' },
  };
}

/** In the one spelling in which entries are kept. */
function folded(entry: PriceBookEntry): PriceBookEntry {
  const { customerId, reservedResourceType: type, location } = entry;
  return {
    ...entry,
    ...(customerId !== undefined && { customerId: customerId.toLowerCase() }),
    ...(type !== undefined && { reservedResourceType: findReservationType(type)?.reservedResourceType ?? type }),
    ...(location !== undefined && { location: location.toLowerCase() }),
  };
}

function faultsOf(entry: PriceBookEntry, currencyCode: string): string[] {
  const { marginPercent, unitPrice, reservedResourceType: type } = entry;
  const faults: string[] = [];
  if ((marginPercent === undefined) === (unitPrice === undefined)) {
    faults.push(' has to have either marginPercent or unitPrice.');
  }
  const margin = Number(marginPercent ?? 0);
  if (margin <= -100 || margin > 1000) faults.push('/marginPercent has to be above -100 and at most 1000.');
  if (unitPrice !== undefined && !fitsCurrency(unitPrice, currencyCode)) {
    faults.push(`/unitPrice has more decimal places than ${currencyCode}.`);
  }
  if (type !== undefined && !findReservationType(type)) {
    faults.push(`/reservedResourceType ${JSON.stringify(type)} is no product type. Take one of the catalogue.`);
  }
  return faults;
}

/** @throws ApiError InvalidProperty, which names every fault */
async function demandValid(db: Reading, partnerId: string, currencyCode: string, entries: readonly PriceBookEntry[]) {
  if (!isCurrency(currencyCode)) {
    throw new ApiError('InvalidProperty', { data: ['body/currencyCode is no currency of ISO 4217.'] });
  }
  const named = [...new Set(entries.flatMap(({ customerId }) => customerId ?? []))];
  const known = new Set(await listKnownCustomers(db, partnerId, named));
  const places = new Map<string, number>();
  const faults = entries.flatMap((entry, index) => {
    const { customerId, reservedResourceType, skuName, location, term } = entry;
    const own = faultsOf(entry, currencyCode);
    if (customerId !== undefined && !known.has(customerId)) {
      own.push(`/customerId ${customerId} is no customer of yours.`);
    }
    const selectors = JSON.stringify([customerId, reservedResourceType, skuName?.toLowerCase(), location, term]);
    const before = places.get(selectors);
    if (before !== undefined) own.push(` is for the same as body/entries/${before}. Send one of them.`);
    else places.set(selectors, index);
    return own.map((fault) => `body/entries/${index}${fault}`);
  });
  if (faults.length > 0) throw new ApiError('InvalidProperty', { data: faults.slice(0, MAX_FAULTS) });
}

/** @throws ApiError PreconditionRequired, PreconditionFailed */
function demandCurrent(version: number, ifMatch: string | undefined, etag: string | undefined): void {
  if (version > 0 && ifMatch === undefined && etag === undefined) throw new ApiError('PreconditionRequired');
  const current = quoted(version);
  const matched =
    (ifMatch === undefined || matches(parseIfMatch(ifMatch), current)) &&
    (etag === undefined || quoted(etag.replace(/^"|"$/g, '')) === current);
  if (!matched) throw new ApiError('PreconditionFailed');
}

/**
 * Puts the next version of the price book in force. Nothing that was quoted or bought before changes.
 * @throws ApiError InvalidProperty, PreconditionRequired, PreconditionFailed
 */
export async function replacePriceBook(
  tx: Tx,
  act: Act,
  body: PriceBookUpdate,
  ifMatch: string | undefined,
  now: Date,
): Promise<PriceBook> {
  const { partnerId, actor } = act;
  const { currencyCode } = body;
  const entries = body.entries.map(folded);
  const before = await findPriceBook(tx, partnerId);
  const version = before?.version ?? 0;
  demandCurrent(version, ifMatch, body.attributes?.etag);
  await demandValid(tx, partnerId, currencyCode, entries);
  const row = {
    partner_id: partnerId,
    version: version + 1,
    currency_code: currencyCode,
    entries: JSON.stringify(entries),
    changed_on: now,
    changed_by: nameOf(actor),
  };
  // Of two that read the same version, the key lets one in.
  if (!(await insertPriceBook(tx, row))) throw new ApiError('PreconditionFailed');
  return toPriceBook({ ...row, entries });
}
