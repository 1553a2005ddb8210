import { execFile } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { copyBuild, repository } from '../../harness/build.js';
import { insertCustomers, insertEligibility, insertPartner } from '../../harness/data.js';
import { startService } from '../../harness/service.js';
import {
  findFaults,
  type Lockfile,
  listProductionPackages,
  MOST_PRODUCTION_PACKAGES,
} from '../../test/supply-chain/lockfile.js';
import { makeSbom } from '../../test/supply-chain/sbom.js';
import { plantAndSearch } from '../planted-secrets.js';
import type { Figure, Figures, Proof, Suite } from '../suite.js';

const LOGS_THE_TOKEN = {
  file: 'dist/src/plugins/telemetry.js',
  find: 'requestId: request.requestId,',
  replace: 'requestId: request.requestId, sent: request.headers.authorization,',
};
const PLANTED = { version: '1.0.0', license: 'AGPL-3.0-only' };
const INSTALL = ['ci', '--ignore-scripts', '--omit=dev', '--no-audit', '--no-fund', '--prefer-offline'];
const IS_ABOUT_LICENCE = / is under /;

async function readLockfile(): Promise<Lockfile> {
  return JSON.parse(await readFile(join(repository, 'package-lock.json'), 'utf8')) as Lockfile;
}

/** The packages that an installation brings, against the bill of materials. */
async function provePackages(guarded: boolean): Promise<Figures> {
  const lockfile = await readLockfile();
  const packages = { ...lockfile.packages, ...(!guarded && { 'node_modules/planted': PLANTED }) };
  const production = listProductionPackages({ packages });
  const faults = findFaults({ packages });
  const sbom = await makeSbom(repository);
  const listed = new Set(sbom.components.map(({ name, version }) => `${name}@${version}`));
  const missing = production.filter(({ name, locked }) => !listed.has(`${name}@${locked.version}`));
  const others = faults.filter((fault) => !IS_ABOUT_LICENCE.test(fault));
  const unlike = faults.filter((fault) => IS_ABOUT_LICENCE.test(fault));
  return {
    'supply-packages': {
      reached: `${production.length} packages, ${missing.length} not in the bill of materials, ${others.length} without checksum or from elsewhere`,
      kept: production.length > 0 && missing.length === 0 && others.length === 0,
    },
    'supply-licences': {
      reached: `${unlike.length} of ${production.length}`,
      kept: production.length > 0 && unlike.length === 0,
    },
  };
}

async function proveSecrets(proof: Proof, guarded: boolean): Promise<Figure> {
  const { workDir, token } = proof;
  const database = await proof.cluster.createDatabase(guarded ? 'supply' : 'supply_unguarded');
  await insertPartner(database.sql);
  await insertCustomers(database, 1, 1);
  await insertEligibility(database, 1);
  const key = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'der' });
  const settings = { SECRET_KEY: randomBytes(32).toString('base64'), CHECKPOINT_KEY: key.toString('base64') };
  const replica = new URL(database.appUrl);
  replica.password = randomBytes(18).toString('base64url');
  const service = await startService({
    workDir,
    databaseUrl: database.appUrl,
    token,
    environment: {
      ...settings,
      READ_REPLICA_URL: replica.href,
      CHECKPOINT_DIR: join(workDir, 'supply-checkpoints'),
      LOG_LEVEL: 'debug',
      WEBHOOK_ALLOW_PRIVATE_TARGETS: 'true',
    },
    ...(!guarded && { cli: (await copyBuild(join(workDir, 'supply-logging'), [LOGS_THE_TOKEN])).cli }),
  });
  const { secrets, bytes, found } = await plantAndSearch(workDir, service, database, {
    token,
    settings: { ...settings, 'password of READ_REPLICA_URL': replica.password },
  });
  await service.stop();
  await database.drop();
  if (guarded) for (const one of found) proof.print(one);
  return {
    reached: `${found.length} of ${secrets} secrets, in ${Math.round(bytes / 1024)} KiB`,
    kept: bytes > 0 && found.length === 0,
  };
}

/** What a new machine gets, without a script of any package, and whether it serves. */
async function proveInstall({ workDir }: Proof, guarded: boolean): Promise<Figure> {
  const { directory } = await copyBuild(join(workDir, guarded ? 'installed' : 'not-installed'), []);
  await rm(join(directory, 'node_modules'));
  const lockfile = await readLockfile();
  const { 'node_modules/fastify': _, ...packages } = lockfile.packages;
  await writeFile(join(directory, 'package-lock.json'), JSON.stringify(guarded ? lockfile : { ...lockfile, packages }));
  const installed = await promisify(execFile)('npm', INSTALL, { cwd: directory }).then(
    () => true,
    () => false,
  );
  if (!installed) return { reached: 'npm ci fails', kept: false };
  const dataDir = join(workDir, 'installed-data');
  const service = await startService({ workDir, cli: join(directory, 'dist/cli.js'), dataDir });
  await service.stop();
  return { reached: 'it serves', kept: true };
}

export const supply: Suite = {
  id: 'supply',
  besideOthers: true,
  promises: [
    {
      id: 'supply-packages',
      says: 'Production packages, each with a SHA-512 checksum, from the npm registry and in the CycloneDX bill of materials of `npm run sbom`',
      target: `<= ${MOST_PRODUCTION_PACKAGES}`,
      withoutGuard: 'with a package planted in the lockfile',
    },
    {
      id: 'supply-licences',
      says: 'Production packages that are not to be had under a permissive licence',
      target: '0',
      withoutGuard: 'with a package planted under AGPL-3.0-only',
    },
    {
      id: 'supply-secrets',
      says: 'Planted secrets (tokens, passwords, keys, cookies, in headers, addresses, bodies and settings) found in log, metrics, answers and texts of commands',
      target: '0',
      withoutGuard: 'in a service that logs the header Authorization under another name, past the redaction',
    },
    {
      id: 'supply-install',
      says: 'What `npm ci --ignore-scripts --omit=dev` installs in an empty directory',
      target: 'it serves',
      withoutGuard: 'with a lockfile that lacks a package',
      longOnly: true,
    },
  ],
  run: async (proof, guarded) => ({
    ...(await provePackages(guarded)),
    'supply-secrets': await proveSecrets(proof, guarded),
    ...(proof.wants('supply-install') && { 'supply-install': await proveInstall(proof, guarded) }),
  }),
};
