import { randomUUID } from 'node:crypto';
import { CONTOSO, customerId } from '../../harness/data.js';
import type { HarnessDatabase } from '../../harness/database.js';

/** What switches: on by the resource of which face, or off. */
export type By = 'permission' | 'policy' | 'off';

/** A request and how it was answered. */
export interface Entry {
  requestId: string;
  kind: 'read' | 'write';
  customer: number;
  by: By;
  /** When it was sent, and how long the answer took. */
  at: number;
  milliseconds: number;
  /** 0: no answer. */
  status: number;
  code: string | undefined;
  retryAfter: string | null;
}

/** Of one scenario: what its clients sent and were answered. Every write is of a customer of its own, so that it changes something. */
export interface Journal {
  entries: Entry[];
  /** Reads the permission of customer 1, or something else of it. */
  read(what?: string): Promise<Entry>;
  /** Switches the permission of the next customer, or of a given one. Default: on. */
  write(customer?: number, by?: By): Promise<Entry>;
  /** Sends a read and a write every so many milliseconds until told to stop; that waits for what is under way. */
  keepSending(everyMilliseconds: number): () => Promise<void>;
  /**
   * Repeats what is unknown under its request id, then holds the answers against the log.
   * @returns what is wrong, one line each
   */
  findFaults(databases: readonly HarnessDatabase[]): Promise<string[]>;
}

const ofCustomer = (customer: number, what: string) => `/v1/customers/${customerId(customer)}/${what}`;

/** No request may take longer. */
const LIMIT_MS = 5000;
const UNKNOWN = '990028';
const PERMISSION = 'purchasepermissions/AzureReservedInstances';

export const latest = (entries: readonly Entry[]) => Math.max(0, ...entries.map(({ milliseconds }) => milliseconds));
export const isOk = ({ status }: Entry) => status >= 200 && status < 300;
export const isUnavailable = ({ status, code, retryAfter }: Entry) =>
  status === 503 && code !== undefined && /^\d+$/.test(retryAfter ?? '');
export const seconds = (milliseconds: number) => `${(milliseconds / 1000).toFixed(1)} s`;

/** @param firstCustomer of those that only this journal writes to */
export function openJournal(url: string, token: string, firstCustomer: number): Journal {
  const entries: Entry[] = [];
  let next = firstCustomer;

  const sendRead = (what = PERMISSION) =>
    ask({ kind: 'read', customer: 1, by: 'permission', requestId: randomUUID() }, 'GET', ofCustomer(1, what), {});

  async function sendWrite(customer: number, by: By, requestId: string): Promise<Entry> {
    const request = { kind: 'write', customer, by, requestId } as const;
    if (by !== 'policy') {
      return ask(request, 'PUT', ofCustomer(customer, PERMISSION), { state: by === 'off' ? 'off' : 'on' });
    }
    return ask(request, 'POST', '/v1/SelfServePolicy', {
      selfServeEntity: { selfServeEntityType: 'customer', tenantID: customerId(customer) },
      grantor: { grantorType: 'billToPartner', tenantID: CONTOSO },
      permissions: [{ resource: 'AzureReservedInstances', action: 'Purchase' }],
    });
  }

  async function ask(
    { kind, customer, by, requestId }: Pick<Entry, 'kind' | 'customer' | 'by' | 'requestId'>,
    method: string,
    path: string,
    body: object,
  ): Promise<Entry> {
    const at = performance.now();
    const done = (status: number, code?: string, retryAfter: string | null = null): Entry => {
      const milliseconds = performance.now() - at;
      return { requestId, kind, customer, by, at, milliseconds, status, code, retryAfter };
    };
    try {
      const answer = await fetch(`${url}${path}`, {
        method,
        headers: {
          authorization: `Bearer ${token}`,
          'ms-requestid': requestId,
          ...(kind === 'write' && { 'content-type': 'application/json' }),
        },
        ...(kind === 'write' && { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(2 * LIMIT_MS),
      });
      const { code } = (await answer.json()) as { code?: string };
      return done(answer.status, code, answer.headers.get('retry-after'));
    } catch {
      return done(0);
    }
  }

  async function record(sent: Promise<Entry>): Promise<Entry> {
    const entry = await sent;
    entries.push(entry);
    return entry;
  }

  const read = (what?: string) => record(sendRead(what));
  const write: Journal['write'] = (customer = next++, by = 'permission') =>
    record(sendWrite(customer, by, randomUUID()));

  return {
    entries,
    read,
    write,
    keepSending(everyMilliseconds) {
      const underWay = new Set<Promise<unknown>>();
      const timer = setInterval(() => {
        for (const sent of [read(), write()]) {
          underWay.add(sent);
          sent.finally(() => underWay.delete(sent));
        }
      }, everyMilliseconds);
      return async () => {
        clearInterval(timer);
        await Promise.all(underWay);
      };
    },
    async findFaults(databases) {
      const faults: string[] = [];
      const repeated: Entry[] = [];
      for (const { kind, customer, by, requestId, status, code } of entries) {
        if (kind === 'write' && (status === 0 || code === UNKNOWN)) {
          repeated.push(await sendWrite(customer, by, requestId));
        }
      }
      const logged = new Map<string, number>();
      for (const { sql } of databases) {
        for (const row of await sql<{ request_id: string }>('select request_id from activity_log')) {
          logged.set(row.request_id, (logged.get(row.request_id) ?? 0) + 1);
        }
      }
      for (const entry of [...entries, ...repeated]) {
        const { requestId, kind, status, code, milliseconds } = entry;
        const what = `${kind} answered ${status} ${code ?? ''} after ${seconds(milliseconds)}`;
        if (milliseconds > LIMIT_MS) faults.push(`${what}: too late`);
        if (status >= 500 && !isUnavailable(entry)) faults.push(`${what}: without a code or Retry-After`);
        // What a repetition did not do, the first attempt may have done.
        const isRepeated = repeated.includes(entry);
        if (kind === 'read' || status === 0 || code === UNKNOWN || (isRepeated && !isOk(entry))) continue;
        const n = logged.get(requestId) ?? 0;
        const answeredLater = repeated.some((one) => one.requestId === requestId && isOk(one));
        if (n !== (isOk(entry) || answeredLater ? 1 : 0)) faults.push(`${what}: ${n} log rows`);
      }
      for (const entry of repeated) {
        if (!isOk(entry)) faults.push(`an unknown outcome stays unknown: ${entry.status} ${entry.code ?? ''}`);
      }
      return faults;
    },
  };
}
