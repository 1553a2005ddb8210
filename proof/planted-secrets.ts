import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import { customerId } from '../harness/data.js';
import type { HarnessDatabase } from '../harness/database.js';
import { type RunningService, runCommand } from '../harness/service.js';

export interface Secret {
  name: string;
  value: string;
  /** The partner that has set it is told it again. */
  answered?: true;
}

export interface Searched {
  secrets: number;
  /** Bytes of logs, metrics, answers and the texts of commands. */
  bytes: number;
  /** What was found where. */
  found: string[];
}

const word = (name: string) => `${name}-${randomBytes(9).toString('hex')}`;
const BROKEN = [
  ['alter table purchase_permissions rename to away', 'alter table away rename to purchase_permissions'],
  [
    // Its error shows the whole row.
    "alter table purchase_permissions add constraint planted check (state <> 'off') not valid",
    'alter table purchase_permissions drop constraint planted',
  ],
] as const;

/** Everything that a caller or the operator can give the service and that is a secret, once in each place it may come up. */
export async function plantAndSearch(
  workDir: string,
  service: RunningService,
  database: HarnessDatabase,
  { token, settings }: { token: string; settings: Readonly<Record<string, string>> },
): Promise<Searched> {
  const own = new URL(database.appUrl);
  const planted = {
    cookie: word('cookie'),
    header: word('header'),
    body: word('body'),
    broken: word('broken'),
    path: word('path'),
    query: word('query'),
    foreign: word('foreign'),
    basic: word('basic'),
    password: `${word('Pa5s')}!`,
    webhook: word('webhook'),
    flag: word('flag'),
    refused: word('refused'),
  };
  const secrets: Secret[] = [
    { name: 'token', value: token },
    { name: 'claims of the token', value: token.split('.')[1] ?? '' },
    { name: 'signature of the token', value: token.split('.')[2] ?? '' },
    { name: 'password of DATABASE_URL', value: decodeURIComponent(own.password) },
    ...Object.entries(settings).map(([name, value]) => ({ name, value })),
    ...Object.entries(planted).map(([name, value]) => ({
      name,
      value,
      ...(name === 'webhook' && { answered: true as const }),
    })),
  ];
  const answers: string[] = [];
  async function ask(expected: number, method: string, path: string, body?: unknown, headers = {}): Promise<void> {
    const answer = await fetch(`${service.url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    answers.push(JSON.stringify([...answer.headers]), await answer.text());
    if (answer.status !== expected) throw new Error(`${method} ${path}: ${answer.status} ${answers.at(-1)}`);
  }
  const customer = `/v1/customers/${customerId(1)}`;
  const permission = `${customer}/purchasepermissions/AzureReservedInstances`;
  const user = {
    usageLocation: 'US',
    userPrincipalName: 'new@c1.onmicrosoft.com',
    firstName: 'New',
    lastName: 'User',
    displayName: 'New User',
    passwordProfile: { password: planted.password, forceChangePassword: true },
  };
  await ask(201, 'PUT', permission, { state: 'on' }, { cookie: planted.cookie, 'x-api-key': planted.header });
  await ask(400, 'PUT', permission, { state: planted.body });
  await ask(400, 'PUT', permission, `{"state":"on",${planted.broken}`);
  await ask(400, 'PUT', permission, { state: 'on' }, { 'ms-requestid': planted.header });
  await ask(404, 'GET', `/v1/${planted.path}?code=${planted.query}`);
  await ask(400, 'GET', `${permission}?code=${planted.query}`);
  await ask(400, 'GET', '/v1/customers', undefined, { 'ms-continuationtoken': planted.header });
  await ask(401, 'GET', permission, undefined, { authorization: `Bearer ${planted.foreign}` });
  await ask(401, 'GET', permission, undefined, { authorization: `Bearer ${token.slice(0, -4)}AAAA` });
  await ask(401, 'GET', permission, undefined, { authorization: `Basic ${planted.basic}` });
  await ask(201, 'POST', `${customer}/users`, user);
  await ask(400, 'POST', `${customer}/users`, { ...user, usageLocation: planted.body });
  await ask(409, 'POST', `${customer}/users`, user);
  await ask(200, 'POST', '/webhooks/v1/registration', {
    WebhookUrl: `https://127.0.0.1:1/${planted.webhook}?code=${planted.webhook}`,
    WebhookEvents: ['test-created'],
  });
  await ask(200, 'POST', '/webhooks/v1/registration/validationEvents');
  for (const [statement, mended] of BROKEN) {
    await database.sql(statement);
    await ask(500, 'PUT', permission, { state: 'off' });
    await database.sql(mended);
  }
  const readLog = () => readFile(service.logFile, 'utf8');
  const tellsOf = async (event: string) => (await readLog()).includes(`"event":"${event}"`);
  for (const deadline = Date.now() + 20_000; !(await tellsOf('webhook_attempted')); await setTimeout(100)) {
    if (Date.now() > deadline) throw new Error('no event was tried to be delivered');
  }
  const texts = [];
  own.password = planted.refused;
  for (const args of [['serve'], ['migrate'], ['serve', '--secret-key', planted.flag, '--nonsense', planted.flag]]) {
    const environment = { MIGRATION_DATABASE_URL: own.href };
    const { code, lines } = await runCommand(workDir, own.href, args, { environment });
    if (code === 0) throw new Error(`${args[0]} does not refuse`);
    texts.push(...lines);
  }
  const metricsUrl = /^Metrics +(\S+)$/m.exec(await readLog())?.[1];
  const metrics = await (await fetch(metricsUrl ?? '')).text();
  if (!metrics.includes('http_request_duration_seconds')) throw new Error('there are no metrics');
  const places = { log: await readLog(), metrics, answers: answers.join('\n'), 'text of a command': texts.join('\n') };
  const found = Object.entries(places).flatMap(([place, text]) =>
    secrets
      .filter(({ value, answered }) => text.includes(value) && !(answered && place === 'answers'))
      .map(({ name }) => `${name} in ${place}`),
  );
  const bytes = Object.values(places).reduce((sum, text) => sum + text.length, 0);
  return { secrets: secrets.length, bytes, found };
}
