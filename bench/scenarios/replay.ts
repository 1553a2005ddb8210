import type { Scenario } from '../harness/bench.js';
import { captureSwitches, openSwitches, SWITCHED } from '../harness/captured-switches.js';
import { comparePairs } from '../harness/pairs.js';
import { findPgbench, preparePgbench } from '../harness/pgbench.js';
import { startReplayServer } from '../harness/replay.js';
import { createSwitchLoad, POOL, scriptsFor } from './switch.js';

/** The service's statements of a switch sent by a server that does nothing else ÷ by pgbench, and the service ÷ that. */
export const replay: Scenario = async (bench) => {
  const program = await findPgbench();
  if (program === undefined) {
    bench.print('  skipped: pgbench 15 or newer is not installed (on Debian it is in postgresql-contrib)');
    return;
  }
  const database = await openSwitches(bench, 'replay');
  const captured = await captureSwitches(bench, database);
  const service = await bench.serve(database);
  const server = await startReplayServer(bench, database, captured);
  for (const connections of bench.connections.filter((count) => count <= 64)) {
    const clients = Math.min(connections, POOL);
    const pgbench = await preparePgbench({
      program,
      databaseUrl: database.appUrl,
      workDir: bench.workDir,
      clients,
      scripts: scriptsFor(captured, clients),
    });
    const half = SWITCHED / 2;
    const sides = {
      service: createSwitchLoad(bench, database, service, { connections, from: 1, to: half }),
      replay: createSwitchLoad(bench, database, server, { connections, from: half + 1, to: SWITCHED }),
      pgbench: pgbench.slice,
    };
    await comparePairs(bench, connections, sides, [
      ['replay', 'pgbench'],
      ['service', 'replay'],
    ]);
  }
  await server.stop();
  await service.stop();
  await database.drop();
};
