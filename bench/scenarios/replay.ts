import type { Scenario } from '../harness/bench.js';
import { captureSwitches, openSwitches, prepareSwitches, SWITCHED } from '../harness/captured-switches.js';
import { comparePairs } from '../harness/pairs.js';
import { findPgbench } from '../harness/pgbench.js';
import { startReplayServer } from '../harness/replay.js';
import { createSwitchLoad } from './switch.js';

/** The service's statements of a switch sent by a server that does nothing else ÷ by pgbench, and the service ÷ that. */
export const replay: Scenario = async (bench) => {
  const program = await findPgbench(bench.print);
  if (program === undefined) return;
  const database = await openSwitches(bench, 'replay');
  const captured = await captureSwitches(bench, database);
  const service = await bench.serve(database);
  const server = await startReplayServer(bench, database, captured);
  for (const connections of bench.connections.filter((count) => count <= 64)) {
    const pgbench = await prepareSwitches(bench, database, { program, captured, connections });
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
