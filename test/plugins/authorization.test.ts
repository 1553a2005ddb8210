import t from 'tap';
import type { Caller, RouteAccess } from '../../src/plugins/authentication.js';
import { authorization, READERS, refusalFor, WRITERS } from '../../src/plugins/authorization.js';
import type { PartnerRole } from '../../src/plugins/tokens/rules.js';
import { CUSTOMER, startApp, withIssuer } from '../helpers/token-app.js';

const ALL: readonly PartnerRole[] = ['AdminAgent', 'SalesAgent', 'HelpDeskAgent'];
const LACKS = 'RoleLacksRights';

function callerWith(changes: Partial<Caller>): Caller {
  return {
    tenantId: CUSTOMER,
    kind: 'partner',
    roles: new Set(),
    objectId: CUSTOMER,
    userPrincipalName: null,
    applicationId: null,
    appOnly: false,
    tokenId: '0123456789abcdef',
    ...changes,
  };
}

t.test('every set of roles reads or writes as the table says', async (t) => {
  for (let set = 0; set < 8; set++) {
    const roles = ALL.filter((_, i) => set & (1 << i));
    const caller = callerWith({ roles: new Set(roles) });
    t.equal(refusalFor(caller, { partner: READERS }), roles.length > 0 ? undefined : LACKS, `[${roles}] reads`);
    const writes = roles.includes('AdminAgent');
    t.equal(refusalFor(caller, { partner: WRITERS }), writes ? undefined : LACKS, `[${roles}] writes`);
    t.equal(refusalFor(caller, {}), LACKS, `[${roles}] where nobody is named`);
    t.equal(refusalFor(caller, { customer: true }), LACKS, `[${roles}] where customers are named`);
  }
});

t.test('customers use only what names them, whatever roles they would have', async (t) => {
  const customer = callerWith({ kind: 'customer', roles: new Set(ALL) });
  t.equal(refusalFor(customer, { partner: READERS }), LACKS);
  t.equal(refusalFor(customer, { partner: READERS, customer: false }), LACKS);
  t.equal(refusalFor(customer, { partner: WRITERS, customer: true }), undefined);
});

t.test('app-only tokens pass unless the route wants a user', async (t) => {
  const app = callerWith({ appOnly: true, roles: new Set(ALL) });
  t.equal(refusalFor(app, { partner: WRITERS }), undefined);
  t.equal(refusalFor(app, { partner: WRITERS, appOnly: true }), undefined);
  t.equal(refusalFor(app, { partner: WRITERS, appOnly: false }), 'AppOnlyNotAllowed');
  t.equal(refusalFor(callerWith({ appOnly: true }), { partner: WRITERS, appOnly: false }), 'AppOnlyNotAllowed');
});

t.test(
  'refusals answer their code before the handler runs, and leave a security log line without the token',
  async (t) => {
    const issuer = await withIssuer(t);
    let handled = 0;
    const routes: Record<string, RouteAccess> = {
      '/read': { partner: READERS },
      '/write': { partner: WRITERS },
      '/user-only': { partner: WRITERS, appOnly: false },
      '/customers-too': { partner: READERS, customer: true },
      '/open': 'public',
    };
    const { sendToken, send, logged } = await startApp(t, issuer, {}, async (app) => {
      await app.register(authorization);
      for (const [url, access] of Object.entries(routes)) {
        app.post(url, { config: { access } }, async () => {
          handled += 1;
          return {};
        });
      }
    });
    const sign = (claims: Record<string, unknown>) => issuer.sign({ claims });
    const sales = await sign({ groups: ['SalesAgents'] });
    const app = await sign({ scp: undefined, upn: undefined, unique_name: undefined, name: undefined, idtyp: 'app' });
    const customer = await sign({ tid: CUSTOMER, iss: `https://issuer.example/${CUSTOMER}/` });
    const rows: [string, string, number, string?][] = [
      [sales, '/read', 200],
      [sales, '/write', 403, '900150'],
      [sales, '/open', 200],
      [app, '/write', 200],
      [app, '/user-only', 403, '900329'],
      [customer, '/read', 403, '900150'],
      [customer, '/customers-too', 200],
      [await sign({ groups: ['adminagents'] }), '/read', 403, '900150'],
    ];
    let allowed = 0;
    for (const [token, path, status, code] of rows) {
      const answer = await sendToken(token, path);
      t.match(answer, { status, body: code ? { code } : {} }, path);
      if (status === 200) allowed += 1;
    }
    t.equal((await send(undefined, '/open')).status, 200);
    t.equal(handled, allowed + 1);
    const refused = rows.filter(([, , status]) => status === 403).length;
    t.equal(logged.length, refused);
    for (const line of logged) {
      t.match(JSON.parse(line), { event: 'access_refused', reason: String, route: String, tokenId: /^[0-9a-f]{16}$/ });
      t.notMatch(line, sales.split('.')[2] ?? '');
    }
  },
);
