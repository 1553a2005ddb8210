const SUFFIX = '.onmicrosoft.com';
const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/** A domain as rows hold it, lower case; a name without a dot is one under `.onmicrosoft.com`. */
export function fullDomain(text: string): string {
  const domain = text.toLowerCase();
  return domain.includes('.') ? domain : `${domain}${SUFFIX}`;
}

/**
 * The domain that a new customer's tenant begins with: `{name}.onmicrosoft.com`, the suffix may be left out; undefined for
 * any other text. A domain of the customer's own is added later, in its tenant.
 */
export function initialDomain(text: string): string | undefined {
  const domain = fullDomain(text);
  return domain.endsWith(SUFFIX) && LABEL.test(domain.slice(0, -SUFFIX.length)) ? domain : undefined;
}

/** What stands behind the last `@` of a user principal name, lower case. */
export function domainOf(userPrincipalName: string): string {
  return userPrincipalName.slice(userPrincipalName.lastIndexOf('@') + 1).toLowerCase();
}
