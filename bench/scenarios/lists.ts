import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  azureSubscriptionId,
  customerId,
  insertCustomers,
  insertEligibility,
  insertLog,
  insertPartner,
  settle,
} from '../../harness/data.js';
import { freePort, spawnNode, untilOk } from '../../harness/processes.js';
import type { Scenario } from '../harness/bench.js';
import { alternate, report } from '../harness/slices.js';
import type { StaticAnswer } from '../static-server.js';

const CUSTOMERS = 5000;
const ENTRIES = 20_000;
const DAY_MS = 86_400_000;
const script = fileURLToPath(new URL('../static-server.js', import.meta.url));

const LISTS = [
  { title: 'customers, 20', path: '/v1/customers?size=20', component: 'CustomerCollection', aim: '≥ 0.50' },
  { title: 'customers, 500', path: '/v1/customers?size=500', component: 'CustomerCollection', aim: '≥ 0.70' },
  {
    title: 'subscriptions of a customer',
    path: `/v1/customers/${customerId(7)}/subscriptions`,
    component: 'SubscriptionCollection',
    aim: '≥ 0.40',
  },
  {
    title: 'role assignments of a subscription',
    path: `/subscriptions/${azureSubscriptionId(7)}/providers/Microsoft.Authorization/roleAssignments?api-version=2022-04-01`,
    component: 'RoleAssignmentListResult',
    aim: '≥ 0.40',
  },
  { title: 'audit records, 100', path: '/v1/auditrecords?size=100', component: 'AuditRecordCollection', aim: '≥ 0.60' },
  { title: 'audit records, 500', path: '/v1/auditrecords?size=500', component: 'AuditRecordCollection', aim: '≥ 0.65' },
] as const;

/** Lists ÷ Fastify with the same rows in memory and the same schema. */
export const lists: Scenario = async (bench) => {
  const database = await bench.cluster.createDatabase('lists');
  await insertPartner(database.sql);
  await insertCustomers(database, 1, CUSTOMERS);
  await insertEligibility(database, CUSTOMERS);
  const [from, to] = [new Date(Date.now() - 20 * DAY_MS), new Date(Date.now() - DAY_MS)];
  await insertLog(database, { entries: ENTRIES, customers: CUSTOMERS, from, to, firstSeq: 1 });
  await settle(database);
  const service = await bench.serve(database);
  const answers = await Promise.all(
    LISTS.map(async ({ path, component }): Promise<StaticAnswer> => {
      const answer = await fetch(`${service.url}${path}`, { headers: bench.headers });
      if (!answer.ok) throw new Error(`${path} was answered ${answer.status}: ${await answer.text()}`);
      return { path, component, body: await answer.json() };
    }),
  );
  const file = join(bench.workDir, 'answers.json');
  await writeFile(file, JSON.stringify(answers));
  const port = await freePort();
  const logFile = join(bench.workDir, 'static.log');
  const memory = { url: `http://127.0.0.1:${port}`, process: spawnNode([script, String(port), file], {}, logFile) };
  await untilOk(`${memory.url}/0`, {}, memory.process, logFile);

  for (const [index, { title, path, aim }] of LISTS.entries()) {
    const connections = path.includes('audit') || path.includes('customers?') ? 32 : 64;
    const load =
      (side: typeof memory, target: string, headers: Readonly<Record<string, string>>) => (seconds: number) =>
        bench.generator.slice(
          { url: side.url, connections, until: { seconds }, headers, sequences: [[{ method: 'GET', path: target }]] },
          side.process,
        );
    const [a, b] = [load(service, path, bench.headers), load(memory, `/${index}`, {})];
    const rounds = await alternate(
      bench.rounds,
      [() => a(bench.warmUpSeconds), () => b(bench.warmUpSeconds)],
      () => a(bench.sliceSeconds),
      () => b(bench.sliceSeconds),
    );
    const names = ['service', 'memory '] as const;
    bench.print(report({ title: `${title}, ${connections} connections`, names, aim, ratio: 'rate' }, rounds));
  }
  await memory.process.stop();
  await service.stop();
  await database.drop();
};
