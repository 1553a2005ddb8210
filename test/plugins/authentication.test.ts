import Fastify from 'fastify';
import { generateKeyPair, SignJWT } from 'jose';
import t from 'tap';
import { type AuthenticationOptions, authentication } from '../../src/plugins/authentication.js';
import { CUSTOMER, startApp, withIssuer } from '../helpers/token-app.js';
import { AUDIENCE, goodClaims, PARTNER } from '../helpers/tokens.js';

const seconds = () => Math.floor(Date.now() / 1000);

t.test('a good token becomes the caller', async (t) => {
  const issuer = await withIssuer(t);
  const { send, sendToken } = await startApp(t, issuer);
  const token = await issuer.sign();
  const { status, body } = await sendToken(token);
  t.equal(status, 200);
  t.match(body.caller, {
    tenantId: PARTNER,
    kind: 'partner',
    roles: ['AdminAgent'],
    objectId: '5a1f0c1e-6f0a-4c0e-9b51-0d5c3a7e1001',
    userPrincipalName: 'ada@contoso.example',
    applicationId: '7c1d2f10-3b5a-4d0f-8e21-6a9b0c4d2001',
    appOnly: false,
    tokenId: /^[0-9a-f]{16}$/,
  });
  t.equal((await send(`bearer  ${token}`)).status, 200, 'scheme in any case');
  t.equal((await sendToken(await issuer.sign({ header: { typ: 'at+jwt' } }))).status, 200, 'RFC 9068 type');
  const upper = await issuer.sign({
    claims: { tid: PARTNER.toUpperCase(), iss: `https://issuer.example/${PARTNER.toUpperCase()}/` },
  });
  t.equal((await sendToken(upper)).body.caller?.tenantId, PARTNER, 'ids become lower case');
  t.equal((await sendToken(await issuer.sign({ claims: { aud: ['other', AUDIENCE] } }))).status, 200, 'a list with us');
  t.equal((await sendToken(await issuer.sign({ claims: { iat: seconds() + 20 } }))).status, 200, 'clock 20 s ahead');
  t.equal((await send(undefined, '/open', 'GET')).status, 200, 'public routes need none');
  const version2 = {
    ver: '2.0',
    appid: undefined,
    azp: 'client-2',
    upn: undefined,
    preferred_username: 'ada@v2.example',
  };
  t.match((await sendToken(await issuer.sign({ claims: version2 }))).body.caller, {
    applicationId: 'client-2',
    userPrincipalName: 'ada@v2.example',
  });
});

t.test('app-only tokens are told from users and from ID tokens', async (t) => {
  const issuer = await withIssuer(t);
  const { sendToken } = await startApp(t, issuer, { rules: { ...issuer.rules, requireMfa: true } });
  const app = {
    scp: undefined,
    amr: undefined,
    upn: undefined,
    unique_name: undefined,
    name: undefined,
    groups: undefined,
    roles: ['HelpdeskAgents'],
  };
  const shown = { appOnly: true, userPrincipalName: null, roles: ['HelpDeskAgent'] };
  t.match((await sendToken(await issuer.sign({ claims: app }))).body.caller, shown, 'without idtyp');
  t.match((await sendToken(await issuer.sign({ claims: { ...app, idtyp: 'app' } }))).body.caller, shown, 'with idtyp');
  t.equal((await sendToken(await issuer.sign({ claims: { ...app, idtyp: 'app', scp: 'x' } }))).status, 401);
  t.equal((await sendToken(await issuer.sign({ claims: { ...app, idtyp: 'device' } }))).status, 401);
});

t.test('roles come from exact texts in list claims alone', async (t) => {
  const issuer = await withIssuer(t);
  const roleMap = { ...issuer.rules.roleMap, SalesAgent: 'SalesAgent', AdminAgent: 'AdminAgent' } as const;
  const { sendToken } = await startApp(t, issuer, { rules: { ...issuer.rules, roleMap } });
  const rows: [Record<string, unknown>, string[]][] = [
    [{ roles: 'AdminAgent' }, []],
    [{ roles: ['adminagent'] }, []],
    [{ roles: ['AdminAgent '] }, []],
    [{ roles: ['constructor', '__proto__', 'toString'] }, []],
    [{ roles: [['AdminAgent'], { AdminAgent: 1 }, null, 1] }, []],
    [{ roles: ['SalesAgent', 'AdminAgent'] }, ['SalesAgent', 'AdminAgent']],
    [{ groups: ['HelpDeskAgents'] }, ['HelpDeskAgent']],
    [{ groups: ['HelpdeskAgents'] }, ['HelpDeskAgent']],
    [{ wids: ['SalesAgents'] }, ['SalesAgent']],
    [{ roles: ['AdminAgents'], groups: ['SalesAgents'] }, ['AdminAgent', 'SalesAgent']],
  ];
  for (const [claims, roles] of rows) {
    const { body } = await sendToken(await issuer.sign({ claims: { groups: undefined, ...claims } }));
    t.same(body.caller?.roles, roles, JSON.stringify(claims));
  }
  const strict = await startApp(t, issuer);
  const named = await issuer.sign({ claims: { groups: ['AdminAgent', 'SalesAgent', 'HelpDeskAgent'] } });
  t.same((await strict.sendToken(named)).body.caller?.roles, [], 'the default map has the group names alone');
});

t.test('a caller is of a partner or of a customer, or refused', async (t) => {
  const issuer = await withIssuer(t);
  const { sendToken } = await startApp(t, issuer);
  const tokenOf = (tid: string) => issuer.sign({ claims: { tid, iss: `https://issuer.example/${tid}/` } });
  t.match((await sendToken(await tokenOf(CUSTOMER))).body.caller, { kind: 'customer', tenantId: CUSTOMER });
  t.same((await sendToken(await tokenOf(CUSTOMER))).body.caller?.roles, [], 'no partner role by a group name');
  const stranger = await sendToken(await tokenOf('11111111-2222-4333-8444-555555555555'));
  t.match(stranger, { status: 403, body: { code: '20002' } });
});

t.test('what is no bearer token is refused with a challenge', async (t) => {
  const issuer = await withIssuer(t);
  const { send } = await startApp(t, issuer);
  const token = await issuer.sign();
  for (const header of [undefined, '', 'Basic dXNlcjpwYXNz', 'Bearer', 'Bearer ', token, `Token ${token}`]) {
    const { status, headers, body } = await send(header);
    t.equal(status, 401, `${header?.slice(0, 12)}`);
    t.equal(headers['www-authenticate'], 'Bearer realm="customer-permissions"');
    t.equal(body.code, '800001');
  }
  t.equal((await send(undefined, `/dummy?access_token=${token}`)).status, 401, 'a token in the query is not read');
  const twice = await send([`Bearer ${token}`, `Bearer ${token}`]);
  t.match(twice, { status: 400, body: { code: '2000' } }, 'two Authorization headers');
  t.equal((await send(`Bearer ${token}, Bearer ${token}`)).body.code, '400', 'two tokens in one header');
  t.equal(issuer.fetches, 0);
});

t.test('delegated tokens of partners need MFA where it is required', async (t) => {
  const issuer = await withIssuer(t);
  const { sendToken } = await startApp(t, issuer, { rules: { ...issuer.rules, requireMfa: true } });
  t.equal((await sendToken(await issuer.sign())).status, 200);
  for (const amr of [undefined, ['pwd'], 'mfa', ['MFA']]) {
    const { status, body } = await sendToken(await issuer.sign({ claims: { amr } }));
    t.equal(status, 401, JSON.stringify(amr));
    t.match(body, { code: '400', description: /MFA/ });
  }
  const ofCustomer = { amr: ['pwd'], tid: CUSTOMER, iss: `https://issuer.example/${CUSTOMER}/` };
  t.equal((await sendToken(await issuer.sign({ claims: ofCustomer }))).status, 200, 'customers do not');
});

t.test('verified tokens are kept until exp, the kind of their tenant for a minute', async (t) => {
  const issuer = await withIssuer(t);
  let time = Date.now();
  let asked = 0;
  let kind: 'partner' | undefined = 'partner';
  const { sendToken } = await startApp(t, issuer, {
    now: () => new Date(time),
    findTenantKind: async () => {
      asked += 1;
      return kind;
    },
  });
  const token = await issuer.sign({ claims: { exp: Math.floor(time / 1000) + 300 } });
  for (let i = 0; i < 3; i++) t.equal((await sendToken(token)).status, 200);
  t.equal(asked, 1);
  kind = undefined;
  time += 59_000;
  t.equal((await sendToken(token)).status, 200);
  time += 2_000;
  t.equal((await sendToken(token)).status, 403, 'asked again after a minute');
  kind = 'partner';
  t.equal((await sendToken(token)).status, 200);
  time += 270_000;
  t.equal((await sendToken(token)).status, 401, 'expired, though it was cached');
});

t.test('rules that leave something unchecked, and routes without access, stop the start', async (t) => {
  const issuer = await withIssuer(t);
  const start = async (rules: Partial<AuthenticationOptions['rules']>) => {
    await Fastify()
      .register(authentication, {
        rules: { ...issuer.rules, ...rules },
        findTenantKind: async () => undefined,
        now: () => new Date(),
      })
      .ready();
  };
  await t.rejects(start({ issuers: [] }), { message: /^No token issuer is configured/ });
  await t.rejects(start({ audiences: [] }), { message: /^No token audience is configured/ });
  await t.rejects(start({ algorithms: [] }), { message: /^No token algorithm is configured/ });
  await t.rejects(start({ audiences: [''] }), { message: /audience is empty/ });
  await t.rejects(start({ issuers: [{ issuer: 'https://x', jwksUri: 'keys' }] }), { message: /is not a URL/ });
  await t.rejects(start({ algorithms: ['none' as 'RS256'] }), { message: /not RS256 or ES256/ });
  const { app } = await startApp(t, issuer);
  const late = Fastify();
  t.teardown(() => late.close());
  await late.register(authentication, {
    rules: issuer.rules,
    findTenantKind: async () => undefined,
    now: () => new Date(),
  });
  t.throws(() => late.get('/open-by-mistake', async () => 'x'), { message: /has no config.access/ });
  t.equal((await app.inject('/nowhere')).statusCode, 404, 'no token is asked for where no route is');
});

t.test('ES256 works where it is configured', async (t) => {
  const issuer = await withIssuer(t);
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
  const jwk = { ...(await crypto.subtle.exportKey('jwk', publicKey)), kid: 'ec', use: 'sig' } as { kty: string };
  const [first] = issuer.rules.issuers;
  const { sendToken } = await startApp(t, issuer, {
    rules: { ...issuer.rules, algorithms: ['ES256'] },
    localKeys: { jwksUri: first?.jwksUri ?? '', jwks: { keys: [jwk] } },
  });
  const token = await new SignJWT(goodClaims(issuer.issuer))
    .setProtectedHeader({ alg: 'ES256', typ: 'JWT', kid: 'ec' })
    .sign(privateKey);
  t.equal((await sendToken(token)).status, 200);
});
