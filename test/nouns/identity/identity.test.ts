import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import Fastify from 'fastify';
import { decodeJwt, decodeProtectedHeader, type JWTPayload } from 'jose';
import t, { type Test } from 'tap';
import { sharedSchemas } from '../../../src/http/schemas.js';
import { type IdentityOptions, loadIdentity } from '../../../src/nouns/identity/identity.js';
import { type MintRequest, mintToken } from '../../../src/nouns/identity/mint.js';
import { identityRoutes } from '../../../src/nouns/identity/routes.js';
import { authentication } from '../../../src/plugins/authentication.js';
import { authorization, READERS } from '../../../src/plugins/authorization.js';
import { sendError } from '../../../src/plugins/errors.js';
import { DEFAULT_ROLE_MAP } from '../../../src/plugins/tokens/rules.js';

const ACCOUNTS = 'demo/identity.json';
const CONTOSO = '634f6379-ad54-449b-9821-564f737158ab';
const FABRIKAM = 'b36d1c8a-3f5e-4f0e-9a36-6f1f0c2b7d11';
const CUSTOMER = '0e5cb2f1-9a3d-4b7e-8c66-1f2d3e4a5b6c';
const PORTAL = { client_id: '7c1d2f10-3b5a-4d0f-8e21-6a9b0c4d2001', client_secret: 'contoso-portal-demo-secret' };
const AZURE_CLI = '04b07795-8ddb-461a-bbee-02f9e1bf7b46';
const PARTNER_CENTER = 'https://api.partnercenter.microsoft.com';
const ada = { username: 'Ada.Admin@contosopartner.onmicrosoft.com', password: 'Demo-Passw0rd' };
const credentials = { grant_type: 'client_credentials', ...PORTAL, scope: `${PARTNER_CENTER}/.default` };
const TOKEN = `/${CONTOSO}/oauth2/v2.0/token`;

async function findCustomerUser(tenantId: string, upn: string) {
  if (tenantId !== CUSTOMER || upn.toLowerCase() !== 'olga@customer.example') return undefined;
  return {
    objectId: '3f1d2c4b-0000-4000-8000-00000000abcd',
    userPrincipalName: 'olga@customer.example',
    groups: ['g-1'],
  };
}

async function start(test: Test, options: Partial<IdentityOptions> = {}) {
  const dataDir = join(test.testdir(), 'data');
  const identity = await loadIdentity({
    dataDir,
    accountsFile: ACCOUNTS,
    publicUrl: 'http://127.0.0.1:3000/',
    findCustomerUser,
    ...options,
  });
  const app = Fastify({ trustProxy: '127.0.0.1' });
  for (const schema of sharedSchemas) app.addSchema(schema);
  test.teardown(() => app.close());
  app.setErrorHandler(sendError);
  const kinds = new Map<string, 'partner' | 'customer'>([
    [CONTOSO, 'partner'],
    [FABRIKAM, 'partner'],
    [CUSTOMER, 'customer'],
  ]);
  await app.register(authentication, {
    rules: {
      issuers: identity.issuers,
      audiences: identity.audiences,
      algorithms: ['RS256'],
      roleMap: DEFAULT_ROLE_MAP,
      requireMfa: true,
      clockToleranceSeconds: 30,
    },
    localKeys: identity.localKeys,
    findTenantKind: async (tenantId) => kinds.get(tenantId),
    now: identity.now,
  });
  await app.register(authorization);
  await app.register(identityRoutes, { identity });
  app.post('/elsewhere', { config: { access: 'public' } }, async () => ({}));
  app.get('/me', { config: { access: { partner: READERS, customer: true } } }, async ({ caller }) => ({
    ...caller,
    roles: [...caller.roles],
  }));
  const ask = (url: string, form: Record<string, string> | string, type = 'application/x-www-form-urlencoded') =>
    app.inject({
      method: 'POST',
      url,
      headers: { 'content-type': type },
      payload: typeof form === 'string' ? form : new URLSearchParams(form).toString(),
    });
  const me = async (token: string) =>
    (await app.inject({ url: '/me', headers: { authorization: `Bearer ${token}` } })).json();
  return { app, identity, dataDir, ask, me };
}

t.test('client_credentials gives an app-only token that the service accepts', async (t) => {
  const { ask, me } = await start(t);
  const answer = await ask(
    TOKEN,
    { ...credentials, claims: '{}', 'x-client-SKU': 'x' },
    'application/x-www-form-urlencoded;charset=utf-8',
  );
  t.equal(answer.statusCode, 200);
  t.equal(answer.headers['cache-control'], 'no-store');
  const body = answer.json();
  t.match(body, { token_type: 'Bearer', expires_in: 3600, resource: PARTNER_CENTER });
  t.notOk('refresh_token' in body || 'id_token' in body);
  const claims = decodeJwt(body.access_token);
  t.match(claims, { aud: PARTNER_CENTER, iss: `http://127.0.0.1:3000/${CONTOSO}/`, tid: CONTOSO, idtyp: 'app' });
  t.match(claims, { appid: PORTAL.client_id, roles: ['AdminAgents'], ver: '1.0', sub: claims.oid });
  t.notOk('scp' in claims || 'upn' in claims);
  t.equal((claims.exp ?? 0) - (claims.iat ?? 0), 3600);
  t.match(await me(body.access_token), {
    kind: 'partner',
    appOnly: true,
    roles: ['AdminAgent'],
    userPrincipalName: null,
  });
  for (const tenant of ['contoso', 'ContosoPartner.onmicrosoft.com', 'common', 'organizations', 'adfs']) {
    t.equal((await ask(`/${tenant}/oauth2/token`, credentials)).statusCode, 200, tenant);
  }
});

t.test('password and refresh_token give tokens of the user, with MFA, that renew', async (t) => {
  const { ask, me } = await start(t);
  const form = {
    grant_type: 'password',
    client_id: AZURE_CLI,
    ...ada,
    scope: `openid offline_access ${PARTNER_CENTER}/user_impersonation`,
    client_info: '1',
  };
  const first = (await ask(TOKEN, form)).json();
  const user = {
    kind: 'partner',
    appOnly: false,
    roles: ['AdminAgent'],
    userPrincipalName: 'ada.admin@contosopartner.onmicrosoft.com',
  };
  t.match(await me(first.access_token), { ...user, applicationId: AZURE_CLI });
  t.match(decodeJwt(first.access_token), { amr: ['pwd', 'mfa'], scp: 'user_impersonation', groups: ['AdminAgents'] });
  t.match(JSON.parse(Buffer.from(first.client_info, 'base64url').toString()), { utid: CONTOSO });
  t.match(decodeJwt(first.id_token), { aud: AZURE_CLI, tid: CONTOSO });
  t.match(await me(first.id_token), { code: '400' }, 'an ID token opens nothing');
  t.match(await me(first.refresh_token), { code: '400' }, 'nor does a refresh token');

  const renewal = { grant_type: 'refresh_token', client_id: AZURE_CLI, refresh_token: first.refresh_token };
  const second = (await ask(TOKEN, renewal)).json();
  t.match(await me(second.access_token), user);
  t.type(second.refresh_token, 'string');
  const other = (
    await ask('/common/oauth2/v2.0/token', { ...renewal, scope: 'https://management.azure.com//.default' })
  ).json();
  t.equal(decodeJwt(other.access_token).aud, 'https://management.azure.com', 'for another resource');
  const refused = { statusCode: 400, json: { error: 'invalid_grant' } };
  const attempts: [string, Record<string, string>][] = [
    [TOKEN, { ...renewal, refresh_token: 'abc' }],
    [TOKEN, { ...renewal, refresh_token: first.access_token }],
    [TOKEN, { ...renewal, ...PORTAL }],
    [`/${FABRIKAM}/oauth2/v2.0/token`, renewal],
  ];
  for (const [url, changed] of attempts) {
    const { statusCode, json } = await ask(url, changed);
    t.match({ statusCode, json: json() }, refused);
  }
});

t.test('customers sign in at their own tenant', async (t) => {
  const { ask, me } = await start(t);
  const form = {
    grant_type: 'password',
    client_id: AZURE_CLI,
    username: 'olga@customer.example',
    password: ada.password,
    resource: 'https://management.azure.com/',
  };
  const { access_token: token, refresh_token: refreshToken } = (await ask(`/${CUSTOMER}/oauth2/token`, form)).json();
  t.match(decodeJwt(token), { tid: CUSTOMER, groups: ['g-1'], aud: 'https://management.azure.com' });
  t.match(await me(token), { kind: 'customer', tenantId: CUSTOMER, roles: [] });
  const renewal = { grant_type: 'refresh_token', client_id: AZURE_CLI, refresh_token: refreshToken };
  t.equal((await ask(`/${CUSTOMER}/oauth2/token`, renewal)).statusCode, 200);
  t.equal((await ask(`/${CONTOSO}/oauth2/token`, form)).json().error, 'invalid_grant');
});

t.test('tokens are issued for the configured audiences alone, however the scope is written', async (t) => {
  const { ask } = await start(t);
  const rows: [Record<string, string>, string | undefined][] = [
    [{ scope: `${PARTNER_CENTER}/.default` }, PARTNER_CENTER],
    [{ scope: `${PARTNER_CENTER}//.default` }, PARTNER_CENTER],
    [{ scope: 'https://management.core.windows.net//.default' }, 'https://management.core.windows.net'],
    [{ scope: 'http://127.0.0.1:3000/.default' }, 'http://127.0.0.1:3000'],
    [{ resource: `${PARTNER_CENTER}/`, scope: '' }, PARTNER_CENTER],
    [{ scope: 'https://graph.microsoft.com/.default' }, undefined],
    [{ scope: `${PARTNER_CENTER}.evil.example/.default` }, undefined],
    [{ scope: `${PARTNER_CENTER}/.default https://management.azure.com/.default` }, undefined],
    [{ scope: '.default' }, undefined],
    [{ scope: 'openid profile' }, undefined],
    [{ scope: '' }, undefined],
  ];
  for (const [changed, audience] of rows) {
    const answer = await ask(TOKEN, { ...credentials, ...changed });
    t.equal(answer.statusCode, audience ? 200 : 400, JSON.stringify(changed));
    if (audience) t.equal(decodeJwt(answer.json().access_token).aud, audience);
    else t.equal(answer.json().error, 'invalid_scope');
  }
});

t.test('refusals of the token endpoint have the codes of OAuth', async (t) => {
  const { ask } = await start(t);
  const password = { grant_type: 'password', client_id: AZURE_CLI, ...ada, resource: PARTNER_CENTER };
  const rows: [Record<string, string> | string, number, string, string?][] = [
    [{ ...credentials, client_secret: 'wrong' }, 401, 'invalid_client'],
    [{ ...credentials, client_id: CUSTOMER }, 400, 'unauthorized_client'],
    [{ ...credentials, client_id: '' }, 400, 'invalid_request'],
    [{ ...credentials, client_id: AZURE_CLI }, 400, 'unauthorized_client'],
    [credentials, 400, 'unauthorized_client', `/${FABRIKAM}/oauth2/v2.0/token`],
    [credentials, 400, 'invalid_tenant', '/nobody.example/oauth2/v2.0/token'],
    [{ ...credentials, grant_type: 'implicit' }, 400, 'unsupported_grant_type'],
    [{ ...credentials, grant_type: '' }, 400, 'invalid_request'],
    [`${new URLSearchParams(credentials)}&scope=again`, 400, 'invalid_request'],
    ['', 400, 'invalid_request'],
    [{ ...password, password: 'wrong' }, 400, 'invalid_grant'],
    [{ ...password, username: 'nobody@contosopartner.onmicrosoft.com' }, 400, 'invalid_grant'],
    [password, 400, 'invalid_grant', `/${FABRIKAM}/oauth2/token`],
    [{ ...password, username: '' }, 400, 'invalid_request'],
    [{ ...password, client_id: PORTAL.client_id }, 401, 'invalid_client'],
  ];
  for (const [form, status, error, url = TOKEN] of rows) {
    const answer = await ask(url, form);
    t.match({ status: answer.statusCode, body: answer.json() }, { status, body: { error, error_description: /\w/ } });
  }
  t.equal((await ask('/elsewhere', credentials)).statusCode, 415, 'forms are for these addresses alone');
});

t.test('discovery names the address the client used, and leads to the keys', async (t) => {
  const { app, identity, ask } = await start(t);
  const front = { 'x-forwarded-proto': 'https', 'x-forwarded-host': 'front.example:8443', host: 'inner:3000' };
  const document = (await app.inject({ url: '/contoso/v2.0/.well-known/openid-configuration', headers: front })).json();
  t.match(document, {
    issuer: `https://front.example:8443/${CONTOSO}/v2.0`,
    token_endpoint: `https://front.example:8443/${CONTOSO}/oauth2/v2.0/token`,
    authorization_endpoint: `https://front.example:8443/${CONTOSO}/oauth2/v2.0/authorize`,
    jwks_uri: `https://front.example:8443/${CONTOSO}/discovery/v2.0/keys`,
  });
  const stranger = await app.inject({
    url: '/adfs/.well-known/openid-configuration',
    headers: front,
    remoteAddress: '10.0.0.9',
  });
  t.match(stranger.json(), { issuer: 'http://inner:3000/adfs', token_endpoint: 'http://inner:3000/adfs/oauth2/token' });
  const { issuer } = (await app.inject('/common/v2.0/.well-known/openid-configuration')).json();
  t.match(issuer, /\{tenantid\}\/v2\.0$/);
  t.equal((await app.inject('/nobody.example/v2.0/.well-known/openid-configuration')).json().error, 'invalid_tenant');
  const keys = (await app.inject(new URL(document.jwks_uri).pathname)).json();
  t.same(keys, identity.localKeys.jwks);
  t.same(Object.keys(keys.keys[0]).sort(), ['alg', 'e', 'kid', 'kty', 'n', 'use'], 'no private part');
  const { access_token: token } = (await ask(new URL(document.token_endpoint).pathname, credentials)).json();
  t.match(decodeProtectedHeader(token), { alg: 'RS256', typ: 'JWT', kid: keys.keys[0].kid });
});

t.test('generatetoken exchanges a token for one of the same caller that lives no longer', async (t) => {
  let time = Date.now();
  const { app, identity, me } = await start(t, { now: () => new Date(time) });
  const token = await mintToken(identity, { partner: 'contoso', role: 'SalesAgent', lifetimeSeconds: 600 });
  time += 100_000;
  const exchange = (payload: string, type: string, authorization?: string) =>
    app.inject({
      method: 'POST',
      url: '/generatetoken',
      payload,
      headers: { 'content-type': type, ...(authorization && { authorization }) },
    });
  for (const [payload, type] of [
    ['grant_type=jwt_token', 'application/x-www-form-urlencoded'],
    ['"jwt_token"', 'application/json; charset=utf-8'],
  ] as const) {
    const answer = await exchange(payload, type, `bearer ${token}`);
    t.equal(answer.statusCode, 200, type);
    const body = answer.json();
    t.equal(body.expires_in, 500);
    t.not(body.access_token, token);
    t.match(await me(body.access_token), { roles: ['SalesAgent'] });
    t.equal((await exchange(payload, type)).statusCode, 401);
  }
  t.equal((await exchange('"other"', 'application/json', `Bearer ${token}`)).statusCode, 400);
});

t.test('minted tokens are of the account asked for', async (t) => {
  const { identity, me } = await start(t);
  const rows: [MintRequest, Record<string, unknown>][] = [
    [{ partner: 'contoso' }, { tenantId: CONTOSO, roles: ['AdminAgent'], appOnly: false }],
    [
      { partner: FABRIKAM.toUpperCase(), role: 'HelpDeskAgent' },
      { tenantId: FABRIKAM, roles: ['HelpDeskAgent'] },
    ],
    [{ partner: 'contoso', user: 'SAM.sales@contosopartner.onmicrosoft.com' }, { roles: ['SalesAgent'] }],
    [
      { partner: 'contoso', appOnly: true, role: 'HelpDeskAgent' },
      { roles: ['HelpDeskAgent'], appOnly: true },
    ],
    [
      { customer: CUSTOMER, user: 'olga@customer.example' },
      { tenantId: CUSTOMER, kind: 'customer' },
    ],
  ];
  for (const [request, caller] of rows) {
    t.match(await me(await mintToken(identity, request)), caller, JSON.stringify(request));
  }
  const claims: JWTPayload = decodeJwt(
    await mintToken(identity, { partner: 'contoso', audience: 'https://management.azure.com', lifetimeSeconds: 60 }),
  );
  t.equal(claims.aud, 'https://management.azure.com');
  t.equal((claims.exp ?? 0) - (claims.iat ?? 0), 60);
  for (const [request, message] of [
    [{ partner: 'nobody' }, /no partner nobody: name one of contoso, fabrikam/],
    [{ partner: 'fabrikam', appOnly: true, role: 'SalesAgent' }, /no application with the role/],
    [{ partner: 'contoso', user: 'nobody' }, /no user nobody/],
    [{ partner: 'contoso', audience: 'x' }, /not issued for x/],
    [{ customer: CUSTOMER, user: 'nobody' }, /no user nobody/],
    [{ customer: CUSTOMER }, /userPrincipalName/],
    [{ customer: CUSTOMER, appOnly: true }, /app-only/],
  ] as [MintRequest, RegExp][]) {
    await t.rejects(mintToken(identity, request), { message });
  }
});

t.test('the key is made once, kept for its owner alone, also by two first starts at once', async (t) => {
  const dataDir = join(t.testdir(), 'data');
  const options = { dataDir, accountsFile: ACCOUNTS, publicUrl: 'http://127.0.0.1:3000' };
  const [one, two] = await Promise.all([loadIdentity(options), loadIdentity(options)]);
  t.same(one.localKeys, two.localKeys);
  t.same((await loadIdentity(options)).localKeys, one.localKeys);
  t.same(await readdir(dataDir), ['identity-key.json']);
  t.equal((await stat(join(dataDir, 'identity-key.json'))).mode & 0o777, 0o600);
  t.notMatch(JSON.stringify(one.localKeys), JSON.parse(await readFile(join(dataDir, 'identity-key.json'), 'utf8')).d);
});

t.test('production, and a file of accounts that is not valid, stop the start', async (t) => {
  const dataDir = join(t.testdir(), 'data');
  const options = { dataDir, accountsFile: ACCOUNTS, publicUrl: 'http://127.0.0.1:3000' };
  await t.rejects(loadIdentity({ ...options, production: true }), { message: /is for development only/ });
  await mkdir(dataDir);
  const accountsFile = join(dataDir, 'accounts.json');
  await writeFile(accountsFile, '{"password":"x","publicClients":[],"partners":[{}]}');
  await t.rejects(loadIdentity({ ...options, accountsFile }), {
    message: /accounts\.json is not valid: \/partners\/0 /,
  });
});
