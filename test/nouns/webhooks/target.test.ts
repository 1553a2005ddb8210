import { lookup } from 'node:dns/promises';
import t from 'tap';
import { resolveByDns } from '../../../src/nouns/webhooks/target.js';
import { startDnsServer } from '../../helpers/dns-server.js';

t.test('the addresses of a target are those of the DNS, of both families', async (t) => {
  const both = await startDnsServer(t, (type) =>
    type === 'A' ? '93.184.216.34' : '2606:4700:0000:0000:0000:0000:0000:1111',
  );
  t.same(await resolveByDns('events.example', [both]), [
    { address: '93.184.216.34', family: 4 },
    { address: '2606:4700::1111', family: 6 },
  ]);
  const one = await startDnsServer(t, (type) => (type === 'A' ? '93.184.216.34' : null));
  t.same(await resolveByDns('events.example', [one]), [{ address: '93.184.216.34', family: 4 }]);
  t.match(await resolveByDns('Own.Localhost', [one]), [{ address: '127.0.0.1' }], 'RFC 6761');
  const none = await startDnsServer(t, () => null);
  await t.rejects(resolveByDns('events.example', [none]), { code: 'ENODATA' });
});

t.test('names that nobody answers for keep no other look-up waiting', async (t) => {
  const silent = await startDnsServer(t, () => undefined);
  const hanging = Array.from({ length: 16 }, (_, number) => resolveByDns(`a${number}.example`, [silent]));
  for (const one of hanging) one.catch(() => {});
  const begun = performance.now();
  await lookup('localhost');
  t.ok(performance.now() - begun < 1000, 'the one of the system');
  const outcomes = await Promise.allSettled(hanging);
  t.ok(outcomes.every((outcome) => outcome.status === 'rejected' && outcome.reason.code === 'ETIMEOUT'));
  t.ok(performance.now() - begun < 10_000, 'and these end');
});
