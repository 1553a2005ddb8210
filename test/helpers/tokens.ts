import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';
import { DEFAULT_ROLE_MAP, type TokenRules } from '../../src/plugins/tokens/rules.js';

export const PARTNER = '634f6379-ad54-449b-9821-564f737158ab';
export const AUDIENCE = 'https://api.partnercenter.microsoft.com';

export interface SignOptions {
  /** Laid over the claims of a good token; undefined removes one. */
  claims?: Record<string, unknown>;
  header?: Record<string, unknown>;
  /** Default: the issuer's current key. */
  key?: CryptoKey | Uint8Array;
}

export interface TestIssuer {
  readonly rules: TokenRules;
  readonly issuer: string;
  readonly keyId: string;
  readonly privateKey: CryptoKey;
  readonly publicJwk: JWK;
  /** How often the key document was asked for. */
  fetches: number;
  /** Answers the next key requests instead of the key document. */
  answer: ((request: IncomingMessage, response: ServerResponse) => void) | undefined;
  /** A delegated token of an AdminAgent, shaped as Entra's, unless overridden. */
  sign(options?: SignOptions): Promise<string>;
  /** Replaces the key; the old one leaves the key document. */
  rotate(): Promise<void>;
  close(): Promise<void>;
}

/** The claims of Microsoft's sample token (partner-security-requirements-mandating-mfa), plus a role group. */
export function goodClaims(issuer: string, now = Date.now()): Record<string, unknown> {
  const time = Math.floor(now / 1000);
  return {
    aud: AUDIENCE,
    iss: issuer,
    iat: time,
    nbf: time,
    exp: time + 3600,
    acr: '1',
    amr: ['pwd', 'mfa'],
    appid: '7c1d2f10-3b5a-4d0f-8e21-6a9b0c4d2001',
    appidacr: '0',
    groups: ['AdminAgents'],
    name: 'Ada Admin',
    oid: '5a1f0c1e-6f0a-4c0e-9b51-0d5c3a7e1001',
    scp: 'user_impersonation',
    tid: PARTNER,
    unique_name: 'ada@contoso.example',
    upn: 'ada@contoso.example',
    ver: '1.0',
  };
}

function withoutUndefined(values: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}

/** A token of any header and payload, signed rightly: for what a well-behaved library does not write. */
export async function signRaw(header: string, payload: string, key: CryptoKey): Promise<string> {
  const input = `${Buffer.from(header).toString('base64url')}.${Buffer.from(payload).toString('base64url')}`;
  const signature = await crypto.subtle.sign('RSASSA-PKCS1-v1_5', key, new TextEncoder().encode(input));
  return `${input}.${Buffer.from(signature).toString('base64url')}`;
}

/** An issuer with a real key pair and its key document behind real HTTP on loopback. */
export async function createTestIssuer(): Promise<TestIssuer> {
  let serial = 0;
  let document = '';
  const issuer = `https://issuer.example/${PARTNER}/`;

  async function newKey() {
    serial += 1;
    const keyId = `key-${serial}`;
    const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true });
    const publicJwk: JWK = { ...(await exportJWK(publicKey)), kid: keyId, use: 'sig' };
    document = JSON.stringify({ keys: [publicJwk] });
    return { keyId, privateKey, publicJwk };
  }

  let current = await newKey();
  const server = createServer((request, response) => {
    self.fetches += 1;
    if (self.answer) self.answer(request, response);
    else response.setHeader('content-type', 'application/json').end(document);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const self: TestIssuer = {
    issuer,
    fetches: 0,
    answer: undefined,
    rules: {
      issuers: [{ issuer: 'https://issuer.example/{tenantid}/', jwksUri: `http://127.0.0.1:${port}/keys` }],
      audiences: [AUDIENCE],
      algorithms: ['RS256'],
      roleMap: DEFAULT_ROLE_MAP,
      requireMfa: false,
      clockToleranceSeconds: 30,
    },
    get keyId() {
      return current.keyId;
    },
    get privateKey() {
      return current.privateKey;
    },
    get publicJwk() {
      return current.publicJwk;
    },
    sign: ({ claims = {}, header = {}, key = current.privateKey } = {}) =>
      new SignJWT(withoutUndefined({ ...goodClaims(issuer), ...claims }))
        .setProtectedHeader(
          withoutUndefined({ alg: 'RS256', typ: 'JWT', kid: current.keyId, ...header }) as { alg: string },
        )
        .sign(key),
    async rotate() {
      current = await newKey();
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return self;
}
