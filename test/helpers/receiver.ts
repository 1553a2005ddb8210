import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Test } from 'tap';

export interface Received {
  url: string;
  headers: IncomingHttpHeaders;
  bytes: Buffer;
  // biome-ignore lint/suspicious/noExplicitAny: events are looked into freely by tests
  event: any;
}

export interface Receiver {
  url: string;
  received: Received[];
  /** How the next deliveries are answered. Default: 200. */
  answer: (delivery: Received, response: ServerResponse) => void;
}

/** A partner's server that events are posted to. */
export async function startReceiver(t: Pick<Test, 'teardown'>): Promise<Receiver> {
  const received: Received[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('end', () => {
      const bytes = Buffer.concat(chunks);
      const delivery = { url: request.url ?? '', headers: request.headers, bytes, event: JSON.parse(String(bytes)) };
      received.push(delivery);
      receiver.answer(delivery, response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const receiver: Receiver = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/callback?code=1`,
    received,
    answer: (_delivery, response) => response.end(),
  };
  t.teardown(() => {
    server.close();
    server.closeAllConnections();
  });
  return receiver;
}
