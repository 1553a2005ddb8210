import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { insertPartner } from '../../harness/data.js';
import type { HarnessDatabase } from '../../harness/database.js';
import { type RunningService, startService } from '../../harness/service.js';
import { attackTokens, pairedAttackTokens } from '../../test/helpers/attack-tokens.js';
import { AUDIENCE, createTestIssuer, goodClaims, signRaw, type TestIssuer } from '../../test/helpers/tokens.js';
import { type Alteration, alterBuild } from '../altered-build.js';
import type { Figure, Figures, Proof, Suite } from '../suite.js';
import {
  countAnswers,
  createKeyOfNobody,
  keyServerFaults,
  type NamedIssuer,
  nameIssuers,
  present,
  rotate,
} from '../token-scenarios.js';

const UNKNOWN_KEYS = { guarded: 1000, unguarded: 100 } as const;
/** Time for the service to give up on a key server, and to answer. */
const NO_KEYS_LIMIT_MS = 3000;
const KNOWN_KEYS_LIMIT_MS = 1000;
const KNOWN_KEY_TOKENS = 5;
/** Milliseconds; the long form waits for what is shipped. */
const COOL_DOWN = { shipped: 30_000, short: 3000 } as const;
const ROTATION_SLACK_MS = 1000;

const jwks = (line: string, by: string): Alteration => ({ file: 'plugins/tokens/jwks.js', line, by });
const verifier = (line: string, by: string): Alteration => ({ file: 'plugins/tokens/verifier.js', line, by });
const SHORTER_COOL_DOWN = [jwks('coolDown: 30_000', `coolDown: ${COOL_DOWN.short}`)];
const LOOSE = [
  verifier("requiredClaims: ['iss', 'aud', 'exp', 'iat', 'tid', 'oid'],", ''),
  verifier('if (hasDuplicateNames(text))', 'if (false)'),
  verifier('for (const name of FORBIDDEN_HEADERS)', 'for (const name of [])'),
  jwks("redirect: 'error'", "redirect: 'follow'"),
  jwks('coolDown: 30_000', 'coolDown: 0'),
  jwks('timeout: 2_000', 'timeout: 60_000'),
  jwks('maxAge: 24 * 3_600_000', 'maxAge: 0'),
  jwks('if (changed)\n                options.onChange();', ''),
];

type Serve = (issuers: readonly string[], cli?: string) => Promise<RunningService>;

async function measureAttacks(url: string, issuer: TestIssuer, guarded: boolean): Promise<Figures> {
  const unknownKeys = guarded ? UNKNOWN_KEYS.guarded : UNKNOWN_KEYS.unguarded;
  if ((await present(url, await issuer.sign())).status !== 200) throw new Error('a good token is refused');
  const attacks = [...(await attackTokens(issuer)), ...(guarded ? await pairedAttackTokens(issuer) : [])];
  const { privateKey } = await createKeyOfNobody();
  const payload = JSON.stringify(goodClaims(issuer.issuer));
  const unknown = await Promise.all(
    Array.from({ length: unknownKeys }, (_, index) =>
      signRaw(JSON.stringify({ alg: 'RS256', typ: 'JWT', kid: `unknown-${index}` }), payload, privateKey),
    ),
  );
  const refused = await countAnswers(url, attacks, 401);
  const before = issuer.fetches;
  const unknownRefused = await countAnswers(
    url,
    unknown.map((token) => ['an unknown key', token] as const),
    401,
  );
  const fetches = issuer.fetches - before;
  return {
    'tokens-attacks': {
      reached: `${attacks.length - refused} of ${attacks.length}`,
      kept: refused === attacks.length,
    },
    'tokens-unknown-keys': {
      reached: `${fetches} fetches for ${unknownRefused} refusals`,
      kept: fetches <= 1 && unknownRefused === unknownKeys,
    },
  };
}

/** Issuers whose keys are known before their key servers fail, and others that fail from the start. */
async function measureFaults(proof: Proof, serve: Serve, cli: string | undefined, coolDown: number): Promise<Figures> {
  let trapped = 0;
  const trap = createServer((_request, response) => {
    trapped += 1;
    response.end('{"keys":[]}');
  }).listen(0, '127.0.0.1');
  await once(trap, 'listening');
  const [shared, own] = [await createTestIssuer(), await createTestIssuer()];
  try {
    const { port } = trap.address() as AddressInfo;
    const faults = Object.entries(keyServerFaults(`http://127.0.0.1:${port}/keys`));
    const named = nameIssuers(
      shared,
      faults.flatMap(([name]) => [`known-${name}`, `unknown-${name}`]),
    );
    const known = named.filter((_, index) => index % 2 === 0);
    const unknown = named.filter((_, index) => index % 2 === 1);
    const fail = (issuers: readonly NamedIssuer[]) => {
      for (const [index, issuer] of issuers.entries()) issuer.fault = faults[index]?.[1];
    };
    fail(unknown);
    const [rotating] = nameIssuers(own, ['rotating']);
    if (!rotating) throw new Error('no issuer was made');
    const service = await serve(
      [rotating, ...named].map(({ setting }) => setting),
      cli,
    );
    const [rotation, withoutKeys, withKeys] = await Promise.all([
      measureRotation(service.url, rotating, coolDown),
      measureUnknown(proof, service.url, unknown),
      measureKnown(proof, service.url, known, async () => {
        fail(known);
        await setTimeout(coolDown);
      }),
    ]);
    await service.stop();
    return {
      'tokens-keys-known': withKeys,
      'tokens-keys-unknown': withoutKeys,
      'tokens-rotation': rotation,
      'tokens-redirects': { reached: String(trapped), kept: trapped === 0 },
    };
  } finally {
    await Promise.all([shared.close(), own.close()]);
    trap.close();
    trap.closeAllConnections();
  }
}

async function measureRotation(url: string, issuer: NamedIssuer, coolDown: number): Promise<Figure> {
  const { milliseconds, oldRefused } = await rotate(url, issuer, coolDown + 2 * ROTATION_SLACK_MS);
  const when = milliseconds === undefined ? 'never' : `after ${(milliseconds / 1000).toFixed(1)} s`;
  return {
    reached: `${when} of ${coolDown / 1000} s, old ones ${oldRefused ? 'refused' : 'accepted'}`,
    kept: milliseconds !== undefined && milliseconds <= coolDown + ROTATION_SLACK_MS && oldRefused,
  };
}

async function measureUnknown(proof: Proof, url: string, issuers: readonly NamedIssuer[]): Promise<Figure> {
  const answers = await Promise.all(
    issuers.flatMap((issuer) => Array.from({ length: 2 }, async () => present(url, await issuer.sign()))),
  );
  const right = answers.filter(
    ({ status, retryAfter, milliseconds }) => status === 503 && retryAfter !== null && milliseconds <= NO_KEYS_LIMIT_MS,
  );
  const slowest = Math.max(...answers.map(({ milliseconds }) => milliseconds));
  if (right.length < answers.length) proof.print(`without keys: ${answers.map(({ status }) => status).join(' ')}`);
  return {
    reached: `${right.length} of ${answers.length}, the slowest after ${(slowest / 1000).toFixed(1)} s`,
    kept: right.length === answers.length,
  };
}

async function measureKnown(
  proof: Proof,
  url: string,
  issuers: readonly NamedIssuer[],
  breakKeyServers: () => Promise<void>,
): Promise<Figure> {
  for (const { sign } of issuers) {
    if ((await present(url, await sign())).status !== 200) throw new Error('a good token is refused');
  }
  await breakKeyServers();
  // What may be signed by a new key: it has to be looked for, and cannot be.
  const strangers = Promise.all(issuers.map(async ({ sign }) => present(url, await sign({ kid: 'perhaps' }))));
  const answers = await Promise.all(
    Array.from({ length: KNOWN_KEY_TOKENS }, () => issuers)
      .flat()
      .map(async ({ sign }) => present(url, await sign())),
  );
  const right = answers.filter(({ status, milliseconds }) => status === 200 && milliseconds <= KNOWN_KEYS_LIMIT_MS);
  const unsure = (await strangers).filter(({ status }) => status === 503);
  if (right.length < answers.length) proof.print(`known keys: ${answers.map(({ status }) => status).join(' ')}`);
  return {
    reached: `${right.length} of ${answers.length}; ${unsure.length} of ${issuers.length} of other keys 503`,
    kept: right.length === answers.length && unsure.length === issuers.length,
  };
}

export const tokens: Suite = {
  id: 'tokens',
  promises: [
    {
      id: 'tokens-attacks',
      says: 'Forged, stale and malformed tokens, and pairs of what is wrong with them, that are accepted',
      target: '0',
      withoutGuard: 'by a verifier that demands no claims, and takes doubled names and keys that the sender chose',
    },
    {
      id: 'tokens-unknown-keys',
      says: `${UNKNOWN_KEYS.guarded} tokens of unknown keys are refused and cost at most one fetch of the keys`,
      target: '≤ 1 fetch',
      withoutGuard: 'without the pause between fetches',
    },
    {
      id: 'tokens-keys-known',
      says: 'While the key server is down, silent, broken, endless or redirects, tokens of known keys are accepted within 1 s, and those of other keys get 503',
      target: '100 %',
      withoutGuard: 'by a service that does not keep keys',
    },
    {
      id: 'tokens-keys-unknown',
      says: 'Where the key server never answered as it has to, tokens get 503 with `Retry-After` within 3 s, not 401',
      target: '100 %',
      withoutGuard: 'without a time limit on key servers',
    },
    {
      id: 'tokens-redirects',
      says: 'Redirects of a key server that the service followed',
      target: '0',
      withoutGuard: 'with redirects followed',
    },
    {
      id: 'tokens-rotation',
      says: 'After a key was exchanged tokens of the new one are accepted as soon as the pause between fetches is over (30 s; in the short form 3 s), and tokens of the old one, accepted before or not, are refused',
      target: '≤ the pause + 1 s',
      withoutGuard: 'by a service that goes on trusting what it verified before',
    },
  ],
  async run(proof, guarded) {
    const database: HarnessDatabase = await proof.cluster.createDatabase(guarded ? 'tokens' : 'tokens_unguarded');
    await insertPartner(database.sql);
    const serve: Serve = (issuers, cli) =>
      startService({
        workDir: proof.workDir,
        databaseUrl: database.appUrl,
        environment: {
          TOKEN_ISSUERS: issuers.join(','),
          TOKEN_AUDIENCES: AUDIENCE,
          TOKEN_ALGORITHMS: 'RS256',
        },
        ...(cli !== undefined && { cli }),
      });
    const shortened = guarded && !proof.long;
    const loose = guarded ? undefined : await alterBuild(join(proof.workDir, 'tokens-loose'), LOOSE);
    const patient = shortened ? await alterBuild(join(proof.workDir, 'tokens-short'), SHORTER_COOL_DOWN) : loose;
    const coolDown = !guarded ? 0 : shortened ? COOL_DOWN.short : COOL_DOWN.shipped;
    const issuer = await createTestIssuer();
    try {
      const [attacks, faults] = await Promise.all([
        serve(
          issuer.rules.issuers.map((one) => `${one.issuer} ${one.jwksUri}`),
          loose,
        ).then(async (service) => {
          const figures = await measureAttacks(service.url, issuer, guarded);
          await service.stop();
          return figures;
        }),
        measureFaults(proof, serve, patient, coolDown),
      ]);
      return { ...attacks, ...faults };
    } finally {
      await issuer.close();
      await database.drop();
    }
  },
};
