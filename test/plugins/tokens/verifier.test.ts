import t from 'tap';
import { attackTokens } from '../../helpers/attack-tokens.js';
import { startApp, withIssuer } from '../../helpers/token-app.js';

t.test('no forged or stale token is accepted', async (t) => {
  const issuer = await withIssuer(t);
  const { sendToken, logged } = await startApp(t, issuer);
  const good = await issuer.sign();
  const [, goodPayload = '', goodSignature = ''] = good.split('.');
  const attacks = await attackTokens(issuer);
  for (const [name, token] of attacks) {
    const { status, headers, body } = await sendToken(token);
    t.equal(status, 401, name);
    t.equal(body.code, '400', name);
    t.equal(headers['www-authenticate'], 'Bearer realm="customer-permissions", error="invalid_token"', name);
  }
  t.ok(attacks.size >= 60);
  t.equal((await sendToken(good)).status, 200, 'and the good one still is');
  t.ok(issuer.fetches <= 1, 'one key fetch for all of them');
  t.ok(logged.length >= attacks.size, 'each refusal is logged');
  t.notMatch(logged.join(''), new RegExp(`${goodSignature.slice(0, 20)}|${goodPayload.slice(0, 40)}|ada@contoso`));
  t.match(logged.join(''), /"event":"access_refused","reason":"payload_duplicate_name"/);
});
