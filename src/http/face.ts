/** Which of the three error shapes and conventions a path belongs to (docs/architecture.md, "One state, three faces"). */
export type Face = 'partner-center' | 'arm' | 'identity';

const ARM = /^\/+(subscriptions|providers)(\/|\?|$)/i;
const IDENTITY = /^\/+([^/?]+\/+(oauth2|v2\.0|discovery|\.well-known)|common\/+discovery)(\/|\?|$)/i;

/** The path of a request target, which may be a whole address (RFC 9112, 3.2.2); its host is of no interest. */
export function pathOf(url: string): string {
  const path = url.split(/[?#]/, 1)[0] ?? '';
  return path.startsWith('/') ? path : `/${path.replace(/^https?:\/\/[^/]*\/?/i, '')}`;
}

/** @param url path and query as received, doubled slashes included */
export function faceOf(url: string): Face {
  const target = url.startsWith('/') ? url : pathOf(url);
  if (ARM.test(target)) return 'arm';
  return IDENTITY.test(target) ? 'identity' : 'partner-center';
}
