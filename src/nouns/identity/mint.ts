import { DEFAULT_ROLE_MAP, type PartnerRole } from '../../plugins/tokens/rules.js';
import { ACCESS_TOKEN_SECONDS, accessClaims, findPartner, type Identity, type Subject } from './identity.js';

export type MintRequest = {
  /** Partners' users: any user of this role. Ignored with `user`. Default AdminAgent. */
  role?: PartnerRole;
  /** userPrincipalName. Needed for customers. */
  user?: string;
  /** A token of an application instead of a user. */
  appOnly?: boolean;
  /** Default: the first audience of the issuer. */
  audience?: string;
  lifetimeSeconds?: number;
} & ({ /** Tenant id, name or domain. */ partner: string } | { /** Tenant id. */ customer: string });

async function findSubject(identity: Identity, request: MintRequest): Promise<{ subject: Subject; clientId: string }> {
  const { user, role = 'AdminAgent', appOnly } = request;
  if ('customer' in request) {
    if (appOnly) throw new Error('The built-in issuer has no applications of customers: leave out app-only.');
    if (user === undefined) throw new Error('A token for a customer needs the userPrincipalName of a user.');
    const tenantId = request.customer.toLowerCase();
    const found = await identity.findCustomerUser(tenantId, user);
    if (!found) throw new Error(`The customer ${request.customer} has no user ${user}.`);
    const [clientId = found.objectId] = identity.accounts.publicClients;
    return { subject: { kind: 'user', tenantId, displayName: found.userPrincipalName, ...found }, clientId };
  }
  const partner = findPartner(identity, request.partner);
  if (!partner) {
    const names = identity.accounts.partners.map(({ name }) => name).join(', ');
    throw new Error(`There is no partner ${request.partner}: name one of ${names}.`);
  }
  const { tenantId } = partner;
  const hasRole = (names: readonly string[]) =>
    names.some((name) => Object.hasOwn(DEFAULT_ROLE_MAP, name) && DEFAULT_ROLE_MAP[name] === role);
  if (appOnly) {
    const application = partner.applications.find(({ roles }) => hasRole(roles));
    if (!application) throw new Error(`The partner ${partner.name} has no application with the role ${role}.`);
    const { objectId, roles, clientId } = application;
    return { subject: { kind: 'application', tenantId, objectId, roles }, clientId };
  }
  const account =
    user === undefined
      ? partner.users.find(({ groups }) => hasRole(groups))
      : partner.users.find((one) => one.userPrincipalName.toLowerCase() === user.toLowerCase());
  if (!account) throw new Error(`The partner ${partner.name} has no user ${user ?? `with the role ${role}`}.`);
  const [clientId = account.objectId] = partner.applications.map((application) => application.clientId);
  return { subject: { kind: 'user', tenantId, ...account }, clientId };
}

/** An access token without signing in, for the command line and tests. @throws Error with a plain sentence */
export async function mintToken(identity: Identity, request: MintRequest): Promise<string> {
  const { subject, clientId } = await findSubject(identity, request);
  const audience = request.audience ?? identity.audiences[0];
  if (audience === undefined || !identity.audiences.includes(audience)) {
    throw new Error(`Tokens are not issued for ${audience}: name one of ${identity.audiences.join(', ')}.`);
  }
  const lifetimeSeconds = request.lifetimeSeconds ?? ACCESS_TOKEN_SECONDS;
  return identity.sign(accessClaims(identity, subject, { audience, clientId, lifetimeSeconds, publicClient: false }));
}
