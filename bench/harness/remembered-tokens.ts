import { type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose';

/** Verifies a header's token once, as the service does. */
export function rememberTokens(keys: JWTVerifyGetKey): (header: string | undefined) => Promise<JWTPayload> {
  const verified = new Map<string, JWTPayload>();
  return async (header = '') => {
    const known = verified.get(header);
    if (known && (known.exp ?? 0) * 1000 > Date.now()) return known;
    const { payload } = await jwtVerify(header.slice('Bearer '.length), keys);
    verified.set(header, payload);
    return payload;
  };
}
