export type PartnerRole = 'AdminAgent' | 'SalesAgent' | 'HelpDeskAgent';

/**
 * The security groups of a partner's tenant that Partner Center's roles are
 * (learn.microsoft.com/partner-center/account-settings/permissions-overview), in both spellings that are met.
 */
export const DEFAULT_ROLE_MAP: Readonly<Record<string, PartnerRole>> = {
  AdminAgents: 'AdminAgent',
  SalesAgents: 'SalesAgent',
  HelpdeskAgents: 'HelpDeskAgent',
  HelpDeskAgents: 'HelpDeskAgent',
};

export interface Issuer {
  /** May contain `{tenantid}`, as Entra's multi-tenant metadata does: it stands for the `tid` of the token. */
  issuer: string;
  jwksUri: string;
}

export interface TokenRules {
  issuers: readonly Issuer[];
  audiences: readonly string[];
  algorithms: readonly ('RS256' | 'ES256')[];
  /** Value of `roles`, `groups` or `wids` (a name or an id, compared exactly) to role. */
  roleMap: Readonly<Record<string, PartnerRole>>;
  /** Refuse delegated tokens of partners without `mfa` in `amr`. */
  requireMfa: boolean;
  clockToleranceSeconds: number;
}
