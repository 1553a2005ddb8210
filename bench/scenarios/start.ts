import { join } from 'node:path';
import pg from 'pg';
import { insertPartner } from '../../harness/data.js';
import { adminToken, type RunningService, startService } from '../../harness/service.js';
import { startEmbedded } from '../../src/db/embedded.js';
import { startBareServer } from '../harness/bare.js';
import type { Bench, Scenario } from '../harness/bench.js';
import { median, spread } from '../harness/slices.js';

async function insertPartnerInto(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await insertPartner(async (text, values) => (await client.query(text, values)).rows);
  } finally {
    await client.end();
  }
}

/** Makes the embedded server's data directory by a first start. */
async function prepareEmbedded(bench: Bench, dataDir: string): Promise<void> {
  const service = await startService({ workDir: bench.workDir, dataDir });
  const server = await startEmbedded({ dataDir, log: () => {} });
  const url = server.urlFor('customer_permissions');
  await insertPartnerInto(url);
  await service.stop();
}

/** Start of the process to the first 200, on a running database and with the embedded one, ÷ Fastify and TypeBox alone. */
export const start: Scenario = async (bench) => {
  const database = await bench.cluster.createDatabase('start');
  await insertPartner(database.sql);
  const dataDir = join(bench.workDir, 'embedded');
  await prepareEmbedded(bench, dataDir);
  const { workDir, token } = bench;
  const ownToken = await adminToken(workDir, dataDir);
  const sides: Record<'bare' | 'given' | 'embedded', () => Promise<RunningService>> = {
    bare: () => startBareServer(workDir),
    given: () => startService({ workDir, databaseUrl: database.appUrl, token }),
    embedded: () => startService({ workDir, dataDir, token: ownToken }),
  };
  const took = { bare: [] as number[], given: [] as number[], embedded: [] as number[] };
  const names = Object.keys(sides) as (keyof typeof sides)[];
  for (let round = 0; round <= bench.rounds; round++) {
    for (const name of round % 2 === 0 ? names : [...names].reverse()) {
      const service = await sides[name]();
      await service.stop();
      // The first round reads the files into the system's cache.
      if (round > 0) took[name].push(service.startedIn);
    }
  }
  const line = (title: string, name: keyof typeof sides) => {
    const ratios = took[name].map((value, index) => value / (took.bare[index] ?? Number.NaN));
    bench.print(`  ${title}: ${spread(ratios)} × bare, ${Math.round(median(took[name]))} ms`);
  };
  line('on a running database', 'given');
  line('with the embedded server, prepared', 'embedded');
  bench.print(`  bare Fastify + TypeBox, no database: ${Math.round(median(took.bare))} ms`);
  await database.drop();
};
