import type { DatabaseHandle } from '../../db/connect.js';
import { type ChainFault, ChainVerifier } from './chain.js';
import { chainQuery, listChainHeads } from './queries.js';

const CUSTOMERS_PER_PAGE = 500;
const ENTRIES_PER_PAGE = 2000;

export interface Verification {
  customers: number;
  entries: number;
  /** Customers whose log is not intact. */
  faults: number;
}

/**
 * Recomputes the chains of a partner's customers, removed ones included, and holds them against what the customer rows
 * say. Entries that are written meanwhile are left for the next time.
 * @param only one customer; by default all
 * @param onFault told the first fault of each customer that has one
 */
export async function verifyLog(
  db: DatabaseHandle,
  partnerId: string,
  only: string | undefined,
  onFault: (customerId: string, fault: ChainFault) => void,
): Promise<Verification> {
  const done: Verification = { customers: 0, entries: 0, faults: 0 };
  for (let after: string | undefined; ; ) {
    const page = { customerId: only, after, limit: CUSTOMERS_PER_PAGE };
    const heads = await db.lookUp(partnerId, (reading) => listChainHeads(reading, partnerId, page));
    const [first, last] = [heads[0]?.customer_id, heads.at(-1)?.customer_id];
    if (first === undefined || last === undefined) return done;
    const chains = new Map(heads.map((head) => [head.customer_id, { head, verifier: new ChainVerifier() }]));
    for await (const rows of chainPages(db, partnerId, first, last)) {
      for (const row of rows) {
        const chain = chains.get(row.customer_id);
        if (!chain || row.seq > (chain.head.last_seq ?? 0)) continue;
        chain.verifier.push(row);
        done.entries += 1;
      }
    }
    for (const [customerId, { head, verifier }] of chains) {
      done.customers += 1;
      const fault = verifier.finish(head);
      if (!fault) continue;
      done.faults += 1;
      onFault(customerId, fault);
    }
    after = last;
  }
}

async function* chainPages(db: DatabaseHandle, partnerId: string, first: string, last: string) {
  const read = (customerId: string, after: number) =>
    db.lookUp(partnerId, (reading) =>
      chainQuery(reading, partnerId, { customerId, after }, ENTRIES_PER_PAGE).execute(),
    );
  // No seq is less: one below 1 was not written by the service, and has to be found.
  let page = read(first, Number.MIN_SAFE_INTEGER);
  for (;;) {
    const rows = await page;
    const end = rows.at(-1);
    const more = rows.length === ENTRIES_PER_PAGE && end !== undefined && end.customer_id <= last;
    // Read while the rows before are hashed.
    if (more) {
      page = read(end.customer_id, end.seq);
      page.catch(() => {});
    }
    yield rows;
    if (!more) return;
  }
}
