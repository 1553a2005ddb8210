import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadConfig } from '../src/config.js';
import type { Identity } from '../src/nouns/identity/identity.js';
import { mintToken } from '../src/nouns/identity/mint.js';
import { openIdentity } from '../src/server.js';
import { buildAt, repository } from './build.js';
import { customerId, ownerId, ownerName } from './data.js';
import { freePort, type RunningProcess, spawnNode, spawnProgram, untilOk } from './processes.js';

/** The program as it is shipped. */
export const shippedCli = fileURLToPath(new URL('../cli.js', import.meta.url));
/** One origin for every service of a run, so that one token is good for all of them. */
const PUBLIC_URL = 'http://127.0.0.1';
/** Read from the database and with a token, like the first request of a client. */
export const PROBE = '/v1/purchasepermissions';
const TOKEN_SECONDS = 18_000;
const secretKey = randomBytes(32).toString('base64');

export interface RunningService {
  url: string;
  process: RunningProcess;
  logFile: string;
  /** From the start of the process to its first 200, in milliseconds. */
  startedIn: number;
  stop(): Promise<void>;
}

export interface ServiceOptions {
  workDir: string;
  /** Absent: the embedded server in `dataDir`. */
  databaseUrl?: string;
  /** Holds the issuer's keys, and the embedded server. Default: one for all services of the run. */
  dataDir?: string;
  /** Where a CPU profile is written when the service stops. */
  profileDir?: string | undefined;
  /** Settings besides those of every service of a run. */
  environment?: Readonly<Record<string, string>>;
  /** Default: one that is free. */
  port?: number;
  /** Another build's `cli.js`. */
  cli?: string;
  /** A program with its arguments that starts it, and ends with its exit code. */
  under?: readonly [string, ...string[]];
  /** What the first request to be answered 200 has: it reads the database. Absent: that is /readyz. */
  token?: string;
}

let started = 0;
export const sharedDataDir = (workDir: string) => join(workDir, 'data');

/** The service as it is shipped, in a process of its own: authentication, ids and one log line a request, to a file. */
export async function startService(options: ServiceOptions): Promise<RunningService> {
  const { workDir, databaseUrl, profileDir, token } = options;
  const { cli = profileDir ? buildAt(repository).cli : shippedCli } = options;
  const port = options.port ?? (await freePort());
  const url = `http://127.0.0.1:${port}`;
  const logFile = join(workDir, `service-${++started}.log`);
  const environment = {
    DATA_DIR: options.dataDir ?? sharedDataDir(workDir),
    PORT: String(port),
    METRICS_PORT: '0',
    PUBLIC_URL,
    DEMO: 'false',
    REQUESTS_PER_MINUTE: '0',
    SWITCHES_PER_MINUTE: '0',
    ...(databaseUrl && { DATABASE_URL: databaseUrl, SECRET_KEY: secretKey }),
    ...options.environment,
  };
  const profiling = profileDir ? ['--cpu-prof', '--cpu-prof-dir', profileDir] : [];
  const args = [...profiling, cli, 'serve'];
  const [program, ...before] = options.under ?? [];
  const process = program
    ? spawnProgram(program, { args: [...before, globalThis.process.execPath, ...args], environment, logFile })
    : spawnNode(args, environment, logFile);
  const [path, headers] = token === undefined ? ['/readyz', {}] : [PROBE, { authorization: `Bearer ${token}` }];
  const startedIn = await untilOk(`${url}${path}`, headers, process, logFile);
  return { url, process, logFile, startedIn, stop: () => process.stop() };
}

/** Another command of the program, on a database and with the data directory of the run. */
export async function runCommand(
  workDir: string,
  databaseUrl: string,
  args: readonly string[],
  other: { cli?: string; environment?: Readonly<Record<string, string>> } = {},
): Promise<{ code: number; lines: string[] }> {
  const logFile = join(workDir, `command-${++started}.log`);
  const environment = {
    DATA_DIR: sharedDataDir(workDir),
    DATABASE_URL: databaseUrl,
    SECRET_KEY: secretKey,
    ...other.environment,
  };
  const process = spawnNode([other.cli ?? shippedCli, ...args], environment, logFile);
  const code = await process.ended;
  return { code, lines: (await readFile(logFile, 'utf8')).trimEnd().split('\n') };
}

/** The issuer of every service on this data directory. */
export async function openIssuer(dataDir: string): Promise<Identity> {
  const identity = await openIdentity(loadConfig({}, { dataDir, publicUrl: PUBLIC_URL }), PUBLIC_URL);
  if (!identity) throw new Error('the built-in issuer does not run');
  return identity;
}

/** A token of an AdminAgent of contoso, good for every service on this data directory. */
export async function adminToken(workDir: string, dataDir = sharedDataDir(workDir)): Promise<string> {
  const identity = await openIssuer(dataDir);
  return mintToken(identity, { partner: 'contoso', role: 'AdminAgent', lifetimeSeconds: TOKEN_SECONDS });
}

/** The same of fabrikam, the second partner of the issuer. */
export async function secondPartnerToken(workDir: string): Promise<string> {
  const identity = await openIssuer(sharedDataDir(workDir));
  return mintToken(identity, { partner: 'fabrikam', role: 'AdminAgent', lifetimeSeconds: TOKEN_SECONDS });
}

/** Makes tokens of Owners, by their customer's number. */
export async function ownerTokens(workDir: string): Promise<(customer: number) => Promise<string>> {
  const issuer = await openIssuer(sharedDataDir(workDir));
  return (number) => {
    const user = ownerName(number);
    const findCustomerUser = async () => ({ objectId: ownerId(number), userPrincipalName: user, groups: [] });
    const request = { customer: customerId(number), user, lifetimeSeconds: TOKEN_SECONDS };
    return mintToken({ ...issuer, findCustomerUser }, request);
  };
}

/** Those of customers number 1 to `customers`, in this order. */
export async function listOwnerTokens(workDir: string, customers: number): Promise<string[]> {
  const tokenOf = await ownerTokens(workDir);
  return Promise.all(Array.from({ length: customers }, (_, index) => tokenOf(index + 1)));
}
