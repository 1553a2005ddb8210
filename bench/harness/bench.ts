import type { Cluster, HarnessDatabase } from '../../harness/database.js';
import type { RunningService, ServiceOptions } from '../../harness/service.js';
import type { LoadGenerator } from './load.js';

/** What a scenario is given. */
export interface Bench {
  quick: boolean;
  /** The largest log. */
  long: boolean;
  workDir: string;
  /** Where the peers are installed. */
  peersDir: string | undefined;
  cluster: Cluster;
  generator: LoadGenerator;
  /** Headers of an AdminAgent of contoso. */
  headers: Readonly<Record<string, string>>;
  token: string;
  /** How many rounds of two slices, how long a slice and the warm-up of a side take. */
  rounds: number;
  sliceSeconds: number;
  warmUpSeconds: number;
  /** Numbers of connections that rates are measured at. */
  connections: readonly number[];
  /** The service on a database of this bench. */
  serve(database: HarnessDatabase, options?: Partial<ServiceOptions>): Promise<RunningService>;
  print(text: string): void;
}

export type Scenario = (bench: Bench) => Promise<void>;

/** Of what is measured at one connection: one alone sends too few requests in the time for the code to be compiled. */
export const WARM_UP_CONNECTIONS = 8;
