import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import type { TestScope } from './database.js';

const TYPES = new Map([
  [1, 'A'],
  [28, 'AAAA'],
]);

function bytesOf(address: string): Buffer {
  if (!address.includes(':')) return Buffer.from(address.split('.').map(Number));
  return Buffer.from(address.replaceAll(':', ''), 'hex');
}

/**
 * A DNS server (RFC 1035) for a test.
 * @param answer the address of a name, IPv6 in all its digits; none: the name has no record of that type; undefined: silence
 * @returns where it listens, as `Resolver.setServers` takes it
 */
export async function startDnsServer(
  t: TestScope,
  answer: (type: string) => string | null | undefined,
): Promise<string> {
  const socket = createSocket('udp4');
  socket.on('message', (query, from) => {
    const end = query.indexOf(0, 12) + 5;
    const address = answer(TYPES.get(query.readUInt16BE(end - 4)) ?? '');
    if (address === undefined) return;
    const question = query.subarray(12, end);
    const data = address === null ? undefined : bytesOf(address);
    const head = Buffer.from(query.subarray(0, 12));
    head.writeUInt16BE(0x8180, 2);
    head.writeUInt16BE(data ? 1 : 0, 6);
    head.writeUInt32BE(0, 8);
    if (!data) return socket.send(Buffer.concat([head, question]), from.port, from.address);
    const record = Buffer.alloc(12);
    record.writeUInt16BE(0xc00c, 0);
    query.copy(record, 2, end - 4, end);
    record.writeUInt32BE(60, 6);
    record.writeUInt16BE(data.length, 10);
    socket.send(Buffer.concat([head, question, record, data]), from.port, from.address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  t.teardown(() => socket.close());
  return `127.0.0.1:${socket.address().port}`;
}
