import t from 'tap';
import { CONTOSO, FABRIKAM, startService } from '../helpers/service.js';
import type { Send } from './tenant-check.js';
import { tryTokens } from './tenant-lists.js';
import { makeWorld } from './tenant-world.js';

t.setTimeout(120_000);
const service = await startService(t, { webhookAllowPrivateTargets: 'true' });
const heron = await makeWorld(service, { partnerId: CONTOSO, word: 'heron', price: '601' });
const canary = await makeWorld(service, { partnerId: FABRIKAM, word: 'canary', price: '731' });

const send: Send = async ({ url }, token) => {
  const answer = await service.app.inject({ method: 'GET', url, headers: { authorization: `Bearer ${token}` } });
  return { status: answer.statusCode, headers: answer.headers, text: answer.payload };
};

t.test('a continuation token of another partner, or of another list, is as one that was made up', async (t) => {
  const { lists, tried, differences, faults } = await tryTokens(service, { heron, canary }, send);
  t.comment(`${tried} tokens of ${lists.join(', ')}`);
  t.ok(lists.length >= 7);
  t.same(faults, []);
  t.same(differences, []);
});
