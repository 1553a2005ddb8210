import { insertCustomers, insertEligibility, insertPartner, settle } from '../harness/data.js';
import type { HarnessDatabase } from '../harness/database.js';
import { type KillableServer, startKillableServer } from '../harness/killable-server.js';
import { type Proxy as DatabaseProxy, openProxy } from '../harness/proxy.js';
import { type RunningService, startService } from '../harness/service.js';
import type { Proof } from './suite.js';

/** Two instances of the service on one PostgreSQL that may be killed; the first reaches it through a proxy. */
export interface Arena {
  server: KillableServer;
  database: HarnessDatabase;
  proxy: DatabaseProxy;
  instances: Instance[];
  /** Starts an instance in the place of one that has ended. */
  restart(instance: Instance): Promise<void>;
  close(): Promise<void>;
}

export interface Instance {
  number: number;
  databaseUrl: string;
  /** Changes with every start. */
  url: string;
  service: RunningService;
}

/**
 * @param name of the directory, the login and the databases
 * @param cli the program; default: the one of this build
 */
export async function openArena(proof: Proof, name: string, customers: number, cli?: string): Promise<Arena> {
  const { workDir } = proof;
  const server = await startKillableServer(workDir, name);
  const database = await server.cluster.createDatabase('log');
  await insertPartner(database.sql);
  await insertCustomers(database, 1, customers);
  await insertEligibility(database, customers);
  await settle(database);
  const proxy = await openProxy({ host: '127.0.0.1', port: server.port });
  const start = (databaseUrl: string) => startService({ workDir, databaseUrl, ...(cli !== undefined && { cli }) });
  const urls = [proxy.through(database.appUrl), database.appUrl];
  const instances = await Promise.all(
    urls.map(async (databaseUrl, number) => {
      const service = await start(databaseUrl);
      return { number, databaseUrl, url: service.url, service };
    }),
  );
  return {
    server,
    database,
    proxy,
    instances,
    restart: async (instance) => {
      instance.service = await start(instance.databaseUrl);
      instance.url = instance.service.url;
    },
    close: async () => {
      await Promise.all(instances.map(({ service }) => service.stop()));
      await proxy.close();
      await server.close();
    },
  };
}
