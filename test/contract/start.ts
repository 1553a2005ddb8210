import type { Test } from 'tap';
import { startService } from '../helpers/service.js';
import type { MadeCustomer, ServiceClient } from '../helpers/service-client.js';
import { LIMITED_REQUESTS, openTarget, target } from './target.js';
import {
  type Exchange,
  exchange,
  expectDocumented,
  expectRefusal,
  type Pace,
  type Refusal,
  type WireAnswer,
} from './wire.js';

export interface Sent {
  /** Default: an AdminAgent of contoso; null: none. */
  token?: string | null;
  /** Header lines as they are on the wire. */
  lines?: readonly string[];
  body?: string | Buffer;
  /** Content-Type of the body; null: none. Default `application/json`. */
  type?: string | null;
}

export interface Contract {
  service: ServiceClient;
  /** Another one, which takes {@link LIMITED_REQUESTS} of a partner and minute. */
  startLimited(): Promise<ServiceClient>;
  /** An eligible customer of contoso. */
  customer: MadeCustomer;
  /** Its permission to buy reservations. */
  path: string;
  /** The bytes of a request, which ends its connection unless a line says otherwise. */
  compose(method: string, target: string, sent?: Sent): Buffer;
  /** One request, one answer, which has to be a documented one. */
  send(t: Test, method: string, target: string, sent?: Sent): Promise<WireAnswer>;
  /** As `send`, of what has to be refused. */
  refuse(t: Test, refusal: Refusal, method: string, target: string, sent?: Sent): Promise<WireAnswer>;
  /** Bytes as they are: one refusal, and a closed connection, whatever is sent behind. */
  refuseBytes(t: Test, refusal: Refusal, bytes: string | Buffer, pace?: Pace): Promise<Exchange>;
  /** A test after which the activity log has as many rows as before, or `written` more. */
  row(name: string, work: (t: Test) => Promise<void>, written?: number): void;
}

/** The service on a socket, and requests written byte by byte: one in this process, or the one that runs elsewhere. */
export async function startContract(t: Test): Promise<Contract> {
  const service = target ? await openTarget(t, target, target.url) : await startService(t);
  const customer = await service.newCustomer();
  const logRows = async () => {
    const [found] = await service.sql<{ rows: number }>('select count(*)::int as rows from activity_log');
    return found?.rows ?? 0;
  };
  const contract: Contract = {
    service,
    startLimited: () =>
      target
        ? openTarget(t, target, target.limitedUrl)
        : startService(t, { requestsPerMinute: String(LIMITED_REQUESTS) }),
    customer,
    path: `/v1/customers/${customer.customerId}/purchasepermissions/AzureReservedInstances`,
    compose(method, target, { token = service.tokens.admin, lines = [], body, type = 'application/json' } = {}) {
      const names = lines.map((line) => line.slice(0, line.indexOf(':')).toLowerCase());
      const head = [
        `${method} ${target} HTTP/1.1`,
        ...(names.includes('host') ? [] : ['Host: 127.0.0.1']),
        ...(names.includes('connection') ? [] : ['Connection: close']),
        ...(token === null ? [] : [`Authorization: Bearer ${token}`]),
        ...(body !== undefined && type !== null ? [`Content-Type: ${type}`] : []),
        ...(body !== undefined && !names.includes('content-length')
          ? [`Content-Length: ${Buffer.byteLength(body)}`]
          : []),
        ...lines,
      ];
      return Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`, 'latin1'), Buffer.from(body ?? '')]);
    },
    async send(t, method, target, sent) {
      const pace = { quietMilliseconds: 5000, head: method === 'HEAD' };
      const { answers } = await exchange(service.url, contract.compose(method, target, sent), pace);
      t.equal(answers.length, 1, 'one answer');
      const [answer] = answers;
      if (!answer) throw new Error(`${method} ${target.slice(0, 200)} had no answer`);
      expectDocumented(t, service, method, target, answer);
      return answer;
    },
    async refuse(t, refusal, method, target, sent) {
      const answer = await contract.send(t, method, target, sent);
      expectRefusal(t, answer, refusal);
      return answer;
    },
    async refuseBytes(t, refusal, bytes, pace) {
      const result = await exchange(service.url, bytes, { quietMilliseconds: 3000, ...pace });
      t.equal(result.answers.length, 1, 'exactly one answer');
      t.ok(result.closed, 'the connection is closed');
      expectRefusal(t, result.answers[0], refusal);
      return result;
    },
    row(name, work, written = 0) {
      t.test(name, async (t) => {
        const before = await logRows();
        await work(t);
        t.equal((await logRows()) - before, written, 'rows written to the activity log');
      });
    },
  };
  return contract;
}
