import type { Config } from '../config.js';

/** Exit codes of every command (docs/operations.md). */
export const EXIT = {
  done: 0,
  /** Something failed that is not the caller's doing. */
  failed: 1,
  /** A flag, an argument or a setting is wrong or missing. */
  usage: 2,
  /** The work was done and its answer is no: rows were refused, the log is not intact. */
  negative: 3,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** A command was called wrongly. The message is one sentence. */
export class UsageError extends Error {}

export interface Output {
  write(text: string): unknown;
}

export interface Invocation {
  config: Config;
  /** Values of the command's own flags. */
  flags: Readonly<Record<string, string | boolean | undefined>>;
  positionals: readonly string[];
  stdout: Output;
  stderr: Output;
  /** Calls `listener` for each signal to stop. As long as nobody has asked for it, a signal ends the process. */
  onStop(listener: () => void): void;
}

export interface Command {
  summary: string;
  /** What stands behind the name in the usage line. */
  usage: string;
  /** The command's own flags; every setting is a flag of every command besides. */
  flags: Readonly<Record<string, { type: 'string' | 'boolean'; description: string }>>;
  /** How many arguments it takes at least and at most. */
  positionals: readonly [number, number];
  /** Takes and issues no tokens: runs without the settings about them. */
  withoutTokens?: true;
  run(invocation: Invocation): Promise<ExitCode>;
}
