import type { RunningService } from '../../harness/service.js';
import type { Scenario } from '../harness/bench.js';
import { captureSwitches, openSwitches, prepareSwitches, SWITCHED } from '../harness/captured-switches.js';
import { withDatabaseTime } from '../harness/database-time.js';
import { keysOf, startHandWritten } from '../harness/hand-written.js';
import { comparePairs } from '../harness/pairs.js';
import { findPgbench } from '../harness/pgbench.js';
import { startReplayServer } from '../harness/replay.js';
import { createSwitchLoad } from './switch.js';

/** Up to so many connections a transaction for each switch is worth a look, and from so many on a shared one. */
const SINGLE_UP_TO = 64;
const SHARED_FROM = 8;

/**
 * The service's statements of a switch sent by a server that does nothing else ÷ by pgbench, and the service ÷ that: one
 * transaction for each switch up to 64 connections, one for all that come together from 8 on.
 */
export const replay: Scenario = async (bench) => {
  const program = await findPgbench(bench.print);
  if (program === undefined) return;
  const database = await openSwitches(bench, 'replay');
  const captured = await captureSwitches(bench, database);
  const service = await bench.serve(database);
  const server = await startReplayServer(bench, database, captured);
  const shared = await startHandWritten(bench, {
    name: 'least-switch-server',
    args: [database.appUrl, keysOf(service)],
  });
  const timed = await withDatabaseTime(database);
  for (const connections of bench.connections) {
    const pgbench = await prepareSwitches(bench, database, { program, captured, connections });
    const third = SWITCHED / 3;
    const load = (one: RunningService, part: number) =>
      timed(createSwitchLoad(bench, database, one, { connections, from: 1 + (part - 1) * third, to: part * third }));
    const sides = {
      service: load(service, 1),
      replay: load(server, 2),
      shared: load(shared, 3),
      pgbench: timed(pgbench.slice),
    };
    await comparePairs(bench, connections, sides, [
      ...(connections > SINGLE_UP_TO
        ? []
        : ([
            ['replay', 'pgbench'],
            ['service', 'replay'],
          ] as const)),
      ...(connections < SHARED_FROM
        ? []
        : ([
            ['shared', 'pgbench'],
            ['service', 'shared'],
          ] as const)),
    ]);
  }
  await shared.stop();
  await server.stop();
  await service.stop();
  await database.drop();
};
