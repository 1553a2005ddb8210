import t from 'tap';
import { fullDomain, initialDomain } from '../../../src/nouns/customers/domains.js';
import { assertBillingAddress, assertRegistrationNumber } from '../../../src/nouns/customers/market-rules.js';
import { newPassword } from '../../../src/nouns/customers/password.js';
import { classifyUser } from '../../../src/nouns/customers/user-kind.js';

t.test('an invited account is known by its name', async (t) => {
  t.same(classifyUser('sara_contoso.com#EXT#@cust.onmicrosoft.com'), { userType: 'guest', homeDomain: 'contoso.com' });
  t.same(classifyUser('sara_van_dyk_Contoso.COM#ext#@cust.onmicrosoft.com'), {
    userType: 'guest',
    homeDomain: 'contoso.com',
  });
  t.same(
    classifyUser('sara_contoso.com#EXT#@cust.onmicrosoft.com', 'member'),
    { userType: 'member', homeDomain: 'contoso.com' },
    'also when the directory calls it a member',
  );
});

t.test('an account without the mark is of the tenant itself', async (t) => {
  t.same(classifyUser('sara_b@cust.onmicrosoft.com'), { userType: 'member', homeDomain: null });
  t.same(classifyUser('sara@cust.onmicrosoft.com', 'guest'), { userType: 'guest', homeDomain: null });
});

t.test('a new tenant begins with a name under onmicrosoft.com', async (t) => {
  t.equal(initialDomain('WingTip'), 'wingtip.onmicrosoft.com');
  t.equal(initialDomain('Wing-tip.OnMicrosoft.com'), 'wing-tip.onmicrosoft.com');
  for (const text of ['', 'wingtip.com', '-a', 'a-', 'a b', 'a.b.onmicrosoft.com', '.onmicrosoft.com', 'ä']) {
    t.equal(initialDomain(text), undefined, text);
  }
  t.equal(fullDomain('Wingtip.com'), 'wingtip.com');
});

t.test('a country has its rules for the state, the registration number and the phone', async (t) => {
  const refused = (country: string, rest: object, number?: string) => {
    try {
      assertBillingAddress({ country, ...rest });
      assertRegistrationNumber(country, number);
      return undefined;
    } catch (error) {
      return (error as { code: string }).code;
    }
  };
  t.equal(refused('US', { state: 'wa' }), undefined);
  t.equal(refused('us', {}), '3000');
  t.equal(refused('CA', { state: 'WA' }), '3000');
  t.equal(refused('MX', { state: 'Mexico' }), '3000');
  t.equal(refused('CN', { state: 'BJ' }), undefined);
  t.equal(refused('DE', {}), undefined);
  t.equal(refused('DE', {}, '12345'), '600002');
  t.equal(refused('IN', {}), '600051');
  t.equal(refused('in', { phoneNumber: '+91 1' }), '600049');
  t.equal(refused('IN', { phoneNumber: '+91 1' }, '?'), '600050');
  t.equal(refused('IN', { phoneNumber: '+91 1' }, '07AAACP0165G2ZX'), undefined);
});

t.test('a password is long, new every time and of every class', async (t) => {
  const passwords = Array.from({ length: 200 }, newPassword);
  t.equal(new Set(passwords).size, 200);
  for (const pattern of [/^.{20}$/, /[A-Z]/, /[a-z]/, /[0-9]/, /[^A-Za-z0-9]/]) {
    t.ok(
      passwords.every((password) => pattern.test(password)),
      String(pattern),
    );
  }
});
