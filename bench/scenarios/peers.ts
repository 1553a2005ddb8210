import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { customerId } from '../../harness/data.js';
import { freePort, spawnNode, untilOk } from '../../harness/processes.js';
import { permissionPath } from '../harness/bare.js';
import type { Scenario } from '../harness/bench.js';
import { openReads } from '../harness/reads.js';
import { alternate, report } from '../harness/slices.js';

const CONNECTIONS = 32;
const CUSTOMERS = 10_000;
const expressServer = fileURLToPath(new URL('../express-server.js', import.meta.url));
const openapi = fileURLToPath(new URL('../../../openapi/openapi.json', import.meta.url));

/** GET of one permission ÷ what else a developer would answer it with: a mock of the same OpenAPI file, a JSON file, Express. */
export const peers: Scenario = async (bench) => {
  const { peersDir, workDir } = bench;
  if (peersDir === undefined) {
    bench.print('  skipped: BENCH_PEERS does not name a directory in which the peers are installed');
    return;
  }
  const reads = await openReads(bench, 'peers', CUSTOMERS);
  const answer = await fetch(`${reads.service.url}${permissionPath(1)}`, { headers: bench.headers });
  const permission = (await answer.json()) as Record<string, unknown>;
  const file = join(workDir, 'peers.json');
  const rows = Array.from({ length: CUSTOMERS }, (_, index) => ({ ...permission, id: customerId(index + 1) }));
  await writeFile(file, JSON.stringify({ permissions: rows }));
  const bin = (name: string) => join(peersDir, 'node_modules', '.bin', name);
  const sides = [
    {
      name: 'Prism, a mock of openapi.json, silent',
      aim: '≥ 3.5',
      args: (port: string) => [
        bin('prism'),
        'mock',
        openapi,
        '--port',
        port,
        '--multiprocess',
        'false',
        '--verboseLevel',
        'silent',
      ],
    },
    {
      name: 'Express and pg',
      aim: '≥ 3.5',
      args: (port: string) => [expressServer, port, reads.boundUrl, peersDir],
    },
    {
      name: `json-server, ${CUSTOMERS} rows`,
      aim: '≥ 12',
      args: (port: string) => [bin('json-server'), file, '--port', port, '--quiet'],
      path: (customer: number) => `/permissions/${customerId(customer)}`,
    },
  ];
  for (const { name, aim, args, path = permissionPath } of sides) {
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    const logFile = join(workDir, 'peer.log');
    const process = spawnNode(args(String(port)), { NODE_ENV: 'production' }, logFile);
    await untilOk(`${url}${path(1)}`, bench.headers, process, logFile);
    const [a, b] = [
      reads.load(reads.service, CONNECTIONS),
      reads.load({ url, process }, CONNECTIONS, bench.headers, path),
    ];
    const rounds = await alternate(
      bench.rounds,
      [() => a(bench.warmUpSeconds), () => b(bench.warmUpSeconds)],
      () => a(bench.sliceSeconds),
      () => b(bench.sliceSeconds),
    );
    bench.print(
      report(
        { title: `${name}, ${CONNECTIONS} connections`, names: ['service', 'peer   '], aim, ratio: 'rate' },
        rounds,
      ),
    );
    await process.stop();
  }
  await reads.end();
};
