import { join } from 'node:path';
import { findProgram } from '../../harness/programs.js';
import { shippedCli } from '../../harness/service.js';
import { callersOf, type Findings, listOperations } from '../../test/contract/tenant-check.js';
import { tryTokens } from '../../test/contract/tenant-lists.js';
import { interleave, makeCustomers } from '../../test/db/interleave.js';
import { prepareRerun } from '../../test/db/rerun-statements.js';
import { startPgBouncer } from '../../test/helpers/pgbouncer.js';
import { insertPartners, makeCustomer, startService } from '../../test/helpers/service.js';
import { type Alteration, alterBuild, importOf } from '../altered-build.js';
import { createCleanup } from '../cleanup.js';
import type { Figure, Figures, Proof, Suite } from '../suite.js';
import { openWorlds } from '../tenant-worlds.js';

type Connect = typeof import('../../src/db/connect.js');

const TRANSACTIONS = { unguarded: 200, short: 500, long: 10_000 };
const SERVER_CONNECTIONS = 2;

/** Both of what keeps partners apart is gone, once row-level security is off, too; and tokens are good anywhere. */
const OPEN: readonly Alteration[] = [
  { line: /\.where\('(?:\w+\.)?partner_id', '=', (?:\$\.)?partnerId\)/, by: '' },
  {
    file: 'http/continuation-token.js',
    line: 'JSON.stringify([scope.partnerId, scope.route])',
    by: 'JSON.stringify([])',
  },
];
const WITHOUT_RLS = `do $$ declare t text; begin
  for t in select relname from pg_class where relrowsecurity and relnamespace = 'public'::regnamespace loop
    execute format('alter table %I disable row level security', t);
  end loop; end $$`;
const BOUND_FOR_GOOD: readonly Alteration[] = [{ file: 'db/connect.js', line: '`set local ', by: '`set ' }];
/** Enough to miss the target. */
const TRIED_UNGUARDED = ['getCustomer', 'listCustomerUsers', 'getOrder', 'listOrders', 'getSubscription'];

/** Who asks, by the names of the callers. */
const ASKING = { unguarded: /^AdminAgent$/, short: /AdminAgent$|^HelpDeskAgent$|^Owner$/, long: /./ };

const figure = (wrong: number, of: number): Figure => ({ reached: `${wrong} of ${of}`, kept: wrong === 0 && of > 0 });

/** Every operation on foreign and absent things, then every continuation token on every list. */
async function tryTenants(proof: Proof, guarded: boolean): Promise<Figures> {
  const database = await proof.cluster.createDatabase(guarded ? 'tenants' : 'tenants_unguarded');
  const cli = guarded ? shippedCli : await alterBuild(join(proof.workDir, 'open'), OPEN);
  const setting = await openWorlds(proof, database, cli);
  const { worlds, maker, send, check } = setting;
  if (!guarded) await database.sql(WITHOUT_RLS);
  const everybody = callersOf(worlds, maker.tokens);
  const asking = guarded ? ASKING[proof.long ? 'long' : 'short'] : ASKING.unguarded;
  const callers = everybody.filter(({ name }) => asking.test(name));
  const sum: Findings = { compared: 0, asked: 0, differences: [], leaks: [], faults: [] };
  for (const route of await listOperations()) {
    const id = route.operation.operationId;
    if (!guarded && !TRIED_UNGUARDED.includes(id)) continue;
    const found = await check(route, callers);
    sum.compared += found.compared;
    sum.asked += found.asked;
    for (const name of ['differences', 'leaks', 'faults'] as const) {
      sum[name].push(...found[name].map((text) => `${id}: ${text}`));
    }
  }
  const tokens = await tryTokens(maker, worlds, send);
  await setting.close();
  await database.drop();
  if (guarded) {
    const faults = [...sum.faults, ...tokens.faults];
    if (faults.length > 0) throw new Error(faults.join('\n'));
    for (const one of [...sum.differences, ...sum.leaks, ...tokens.differences]) proof.print(one.slice(0, 500));
  }
  return {
    'tenants-absent': figure(sum.differences.length, sum.compared),
    'tenants-leak': figure(sum.leaks.length, sum.asked),
    'tenants-token': figure(tokens.differences.length, tokens.tried),
  };
}

/** Every statement of the service without its condition, with row-level security or without. */
async function rerunStatements(proof: Proof, guarded: boolean): Promise<Figure> {
  const database = await proof.cluster.createDatabase(guarded ? 'tenants_rerun' : 'tenants_rerun_unguarded');
  const cleanup = createCleanup();
  const { appUrl, superuserUrl, login } = database;
  const service = await startService(
    cleanup,
    { sandbox: 'true', webhookAllowPrivateTargets: 'true', dataDir: join(proof.workDir, 'data') },
    { database: { appUrl, superuserUrl, ownerUrl: superuserUrl, drop: async () => {} } },
  );
  const { again, tables, run, reached } = await prepareRerun(cleanup, service, login);
  const outcomes = await run(again, guarded ? [] : tables);
  const found = reached(again, outcomes);
  if (guarded) for (const { text } of found) proof.print(text);
  await cleanup.run();
  await database.drop();
  return figure(found.length, again.length);
}

/** Transactions of two partners behind PgBouncer in transaction mode. */
async function interleaveTransactions(proof: Proof, guarded: boolean): Promise<Figure> {
  const database = await proof.cluster.createDatabase(guarded ? 'tenants_pool' : 'tenants_pool_unguarded');
  const cleanup = createCleanup();
  const cli = guarded ? shippedCli : await alterBuild(join(proof.workDir, 'bound-for-good'), BOUND_FOR_GOOD);
  const { connect } = await importOf<Connect>(cli, 'db/connect.js');
  const { sql } = database;
  await insertPartners(sql);
  await makeCustomers({ newCustomer: (options) => makeCustomer(sql, options) });
  const program = findProgram('pgbouncer') ?? 'pgbouncer';
  const url = await startPgBouncer(cleanup, program, database.appUrl, SERVER_CONNECTIONS);
  const transactions = TRANSACTIONS[!guarded ? 'unguarded' : proof.long ? 'long' : 'short'];
  const { faults, changed, unbound, rows, backends } = await interleave({ sql }, { connect, url, transactions });
  await cleanup.run();
  await database.drop();
  if (rows < transactions || backends === 0 || backends > SERVER_CONNECTIONS) {
    throw new Error(`${rows} rows were seen on ${backends} server connections`);
  }
  if (guarded) for (const fault of faults) proof.print(fault);
  return figure(faults.length + changed.length + unbound, transactions);
}

export const tenants: Suite = {
  id: 'tenants',
  besideOthers: true,
  promises: [
    {
      id: 'tenants-absent',
      says: 'Requests that name a foreign thing and are not answered as those that name an absent one: every operation, role and place of an id',
      target: '0',
      withoutGuard: 'without conditions on the partner and row-level security',
    },
    {
      id: 'tenants-leak',
      says: 'Requests whose answer shows something of another tenant, or that changed something of one',
      target: '0',
      withoutGuard: 'without conditions on the partner and row-level security',
    },
    {
      id: 'tenants-token',
      says: 'Continuation tokens of another partner or another list that are not answered as one that was made up',
      target: '0',
      withoutGuard: 'with tokens that are bound to nothing',
    },
    {
      id: 'tenants-rerun',
      says: 'Statements of the service that find, change or write foreign rows when they run without their condition on the partner',
      target: '0',
      withoutGuard: 'without row-level security',
      // `npm test` does the same, table by table.
      longOnly: true,
    },
    {
      id: 'tenants-pgbouncer',
      says: `Transactions of two partners on ${SERVER_CONNECTIONS} server connections behind PgBouncer in transaction mode that fail or reach a foreign row`,
      target: '0',
      withoutGuard: 'bound by SET instead of SET LOCAL',
      needs: ['pgbouncer'],
    },
  ],
  async run(proof, guarded) {
    return {
      ...(await tryTenants(proof, guarded)),
      ...(proof.wants('tenants-rerun') && { 'tenants-rerun': await rerunStatements(proof, guarded) }),
      ...(proof.wants('tenants-pgbouncer') && { 'tenants-pgbouncer': await interleaveTransactions(proof, guarded) }),
    };
  },
};
