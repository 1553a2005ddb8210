/** Which of the three error shapes and conventions a path belongs to (docs/architecture.md, "One state, three faces"). */
export type Face = 'partner-center' | 'arm' | 'identity';

const ARM = /^\/+(subscriptions|providers)(\/|\?|$)/i;
const IDENTITY = /^\/+([^/?]+\/+(oauth2|v2\.0|discovery|\.well-known)|common\/+discovery)(\/|\?|$)/i;

/** @param url path and query as received, doubled slashes included */
export function faceOf(url: string): Face {
  if (ARM.test(url)) return 'arm';
  return IDENTITY.test(url) ? 'identity' : 'partner-center';
}
