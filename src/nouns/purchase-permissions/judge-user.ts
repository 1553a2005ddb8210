import type { UserFact } from './facts.js';

export type UserFlawKind = 'orphan' | 'partner-employee' | 'disabled' | 'guest';

export interface UserFlaw {
  kind: UserFlawKind;
  /** Continues "…, but": `the user is a guest`. */
  text: string;
}

/**
 * Domain the account is at home in; null: in the customer's own tenant. The user principal name of an invited account
 * carries it (`jo_contoso.com#EXT#@fabrikam.onmicrosoft.com`), also when the directory calls the user a member.
 */
function homeDomainOf(user: UserFact): string | null {
  if (user.homeDomain !== null) return user.homeDomain.toLowerCase();
  const name = user.userPrincipalName.toLowerCase();
  const mark = name.indexOf('#ext#@');
  return mark < 0 ? null : name.slice(name.lastIndexOf('_', mark) + 1, mark);
}

function domainOf(userPrincipalName: string): string {
  return userPrincipalName.slice(userPrincipalName.lastIndexOf('@') + 1).toLowerCase();
}

/** Why the user is not one of the customer's own who can buy now; undefined: it is. `partnerDomain` in lower case. */
export function userFlaw(user: UserFact, partnerDomain: string): UserFlaw | undefined {
  if (user.deleted) return { kind: 'orphan', text: 'the user is deleted' };
  const home = homeDomainOf(user);
  if (home === partnerDomain || domainOf(user.userPrincipalName) === partnerDomain) {
    return { kind: 'partner-employee', text: 'the user is of the partner, not of the customer' };
  }
  if (user.accountState !== 'active') return { kind: 'disabled', text: 'the account is disabled' };
  if (home !== null) return { kind: 'guest', text: `the user is at home in ${home}` };
  if (user.userType === 'guest') return { kind: 'guest', text: 'the user is a guest' };
  return undefined;
}
