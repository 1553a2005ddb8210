export type UserType = 'member' | 'guest';

export interface UserKind {
  userType: UserType;
  /** Domain of the tenant the account was invited from, lower case; null for an account of the customer's own tenant. */
  homeDomain: string | null;
}

const INVITED = '#ext#@';

/**
 * What kind of account a user principal name tells of. An account invited from another tenant is named
 * `sara_contoso.com#EXT#@fabrikam.onmicrosoft.com`: its address at home with `_` for `@`, then the tenant it was invited to
 * (https://learn.microsoft.com/entra/external-id/user-properties). A domain has no underscore, so the last one counts.
 * @param userType as the directory calls it: an invited account can be a member, and an own one a guest
 */
export function classifyUser(userPrincipalName: string, userType?: UserType): UserKind {
  const name = userPrincipalName.toLowerCase();
  const mark = name.lastIndexOf(INVITED);
  if (mark < 0) return { userType: userType ?? 'member', homeDomain: null };
  return { userType: userType ?? 'guest', homeDomain: name.slice(name.lastIndexOf('_', mark) + 1, mark) };
}
