import type { Cluster, HarnessDatabase } from '../harness/database.js';
import type { RunningService } from '../harness/service.js';

/** What the service promises, and a suite measures. */
export interface Promised {
  /** Starts with the suite's id. */
  id: string;
  /** One sentence. */
  says: string;
  target: string;
  /**
   * What the variant takes out that is run first. The promise has to be missed there: a suite that does not notice proves
   * nothing. Absent for plain measurements, as of a time.
   */
  withoutGuard?: string;
  /** Measured by the long form alone. */
  longOnly?: true;
  /** What has to be installed for it, by the name of the program; `root` where the user has to be root, `history` where the release before is taken from it. */
  needs?: readonly string[];
}

export interface Figure {
  /** As a person reads it, e.g. `500 of 500`. */
  reached: string;
  kept: boolean;
}

/** A figure held against the one without the guard. */
export interface Verdict extends Figure {
  /** What the run without the guard reached; absent where there is none. */
  unguarded?: string;
}

/** By the id of the promise. */
export type Figures = Readonly<Record<string, Figure>>;

/** What a suite is given. */
export interface Proof {
  long: boolean;
  workDir: string;
  cluster: Cluster;
  /** 0 ≤ number < 1, the same row of them for the same seed. */
  random(): number;
  /** An AdminAgent of contoso. */
  token: string;
  /** Whether the promise is to be measured: in this form, and with what is installed. */
  wants(promiseId: string): boolean;
  /** The service on a database of this run: as it is shipped, or a build of it without some guard (`cli`). */
  serve(
    database: HarnessDatabase,
    environment?: Readonly<Record<string, string>>,
    cli?: string,
  ): Promise<RunningService>;
  /** Another command of the program. */
  command(database: HarnessDatabase, ...args: string[]): Promise<{ code: number; lines: string[] }>;
  /** For who waits. */
  print(text: string): void;
}

export interface Suite {
  id: string;
  promises: readonly Promised[];
  /** Nothing that it measures depends on how quick the machine is: in the short form it runs beside another such. */
  besideOthers?: true;
  /**
   * Measures. Called twice, at first without the guards; figures of promises that have none may be left out then, as
   * those of promises that are not wanted.
   * @throws when it could not measure
   */
  run(proof: Proof, guarded: boolean): Promise<Figures>;
}
