import pg from 'pg';
import { whileInUse } from './while-in-use.js';

/** Few, so that a database is made in seconds; more than one worker can hold, so that partners are apart. */
const SHARDS = 4;

interface Node {
  nodename: string;
  nodeport: number;
}

/** The cluster under test: a superuser's URL of its coordinator, in a database that has the extension and its workers. */
export const citusUrl = process.env.CITUS_URL;

/** A database cannot be copied with its shards: this one is made on every node, and joined. Its owner is on all of them. */
export async function createOnCluster(coordinator: string, name: string, owner: string): Promise<void> {
  const workers = await listWorkers(coordinator);
  for (const node of [coordinator, ...workers.map((worker) => urlOn(coordinator, worker))]) {
    await on(node, (client) => client.query(`create database ${name} owner ${owner}`));
    await on(inDatabase(node, name), (client) => client.query('create extension citus'));
  }
  await on(coordinator, (client) => client.query(`alter database ${name} set citus.shard_count = ${SHARDS}`));
  await on(inDatabase(coordinator, name), async (client) => {
    for (const { nodename, nodeport } of workers)
      await client.query('select citus_add_node($1, $2)', [nodename, nodeport]);
  });
}

/** Removes it from every node: from the coordinator once nobody uses it, then with the connections that nodes have kept. */
export async function dropOnCluster(coordinator: string, name: string): Promise<void> {
  const workers = await listWorkers(coordinator);
  await on(coordinator, (client) => whileInUse(() => client.query(`drop database ${name}`)));
  for (const worker of workers) {
    await on(urlOn(coordinator, worker), (client) => client.query(`drop database ${name} with (force)`));
  }
}

/** URLs of the servers that hold the database's rows. */
export async function storesOf(database: string): Promise<string[]> {
  if (citusUrl === undefined) return [database];
  return (await listWorkers(database)).map((worker) => urlOn(database, worker));
}

async function listWorkers(coordinator: string): Promise<Node[]> {
  const { rows } = await on(coordinator, (client) =>
    client.query<Node>("select nodename, nodeport from pg_dist_node where groupid <> 0 and noderole = 'primary'"),
  );
  // On a cluster of one node everything runs where it is asked, and would be green for that reason.
  if (rows.length === 0) throw new Error('CITUS_URL has no worker beside its coordinator');
  return rows;
}

function urlOn(coordinator: string, { nodename, nodeport }: Node): string {
  const url = new URL(coordinator);
  url.hostname = nodename;
  url.port = String(nodeport);
  return url.href;
}

function inDatabase(server: string, name: string): string {
  const url = new URL(server);
  url.pathname = `/${name}`;
  return url.href;
}

async function on<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
