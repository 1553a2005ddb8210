import pg from 'pg';
import { type DestinationStream, type Logger, pino } from 'pino';

/** What a log line says of an error. */
interface LoggedError {
  type: string;
  message: string;
  code?: string;
  /** Where PostgreSQL says it happened. */
  table?: string;
  constraint?: string;
  stack?: string;
  cause?: LoggedError;
}

const DEPTH = 3;

/** SQLSTATE class 22 and the errors of JSON.parse quote the value they are about. */
function quotesValues(error: Error): boolean {
  return error instanceof SyntaxError || (error instanceof pg.DatabaseError && error.code?.startsWith('22') === true);
}

/**
 * The fields of an error that hold no data of a request or a row. PostgreSQL's `detail` and `where` do, and so may any
 * property that a library adds.
 */
export function describeError(error: unknown, depth = DEPTH): LoggedError {
  if (!(error instanceof Error)) return { type: typeof error, message: 'not an Error' };
  const { code, table, constraint } = error as { code?: unknown; table?: unknown; constraint?: unknown };
  const stack = error.stack?.split('\n').filter((line) => /^\s+at /.test(line));
  return {
    type: error.name,
    message: quotesValues(error) ? 'not shown: it quotes the value' : error.message,
    ...(typeof code === 'string' && { code }),
    ...(error instanceof pg.DatabaseError && typeof table === 'string' && { table }),
    ...(error instanceof pg.DatabaseError && typeof constraint === 'string' && { constraint }),
    ...(stack && { stack: stack.join('\n') }),
    ...(error.cause !== undefined && depth > 1 && { cause: describeError(error.cause, depth - 1) }),
  };
}

/** Bytes: lines of some hundreds of requests. */
const BLOCK_LENGTH = 64 * 1024;
/** Of UTF-8, for a unit of a string's length. */
const MOST_BYTES = 3;
const LONGEST_WAIT_MS = 500;

/**
 * Standard output, written in blocks at least twice a second: a system call per line was a twelfth of the processor time
 * of a read. Each line is copied into the block at once: text put together from thousands of pieces, as pino makes it,
 * costs twice as much to write later. What a killed process had not written is lost from the log, not from the activity
 * log.
 */
export function bufferedOutput(): DestinationStream & { flushSync(): void } {
  // Typed for text; in this mode it takes bytes.
  const output = pino.destination({ dest: 1, sync: false, contentMode: 'buffer' } as object) as unknown as {
    write(bytes: Buffer): void;
    flushSync(): void;
  };
  let block = Buffer.allocUnsafeSlow(BLOCK_LENGTH);
  let used = 0;
  const send = () => {
    if (used === 0) return;
    output.write(block.subarray(0, used));
    block = Buffer.allocUnsafeSlow(BLOCK_LENGTH);
    used = 0;
  };
  setInterval(send, LONGEST_WAIT_MS).unref();
  return {
    write: (line) => {
      const most = line.length * MOST_BYTES;
      if (most > BLOCK_LENGTH - used) send();
      if (most > BLOCK_LENGTH) output.write(Buffer.from(line));
      else used += block.write(line, used);
    },
    flushSync: () => {
      send();
      output.flushSync();
    },
  };
}

/** The log of the service: JSON lines to standard output, or to `destination`. */
export function createLog(level: string, destination?: DestinationStream): Logger {
  const options = {
    level,
    base: null,
    serializers: { err: (error: unknown) => describeError(error) },
    redact: ['req', 'res', 'headers', 'body', 'authorization'],
  };
  return destination ? pino(options, destination) : pino(options);
}
