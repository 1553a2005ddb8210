import { write } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
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
/** Bytes that wait to be written: some seconds of a service that has much to do. */
const MOST_WAITING = 16 * 1024 * 1024;
/** A pipe that is full and a disk that is full are tried again. */
const RETRY_MS = 100;
/** How long the end of the process waits for who reads its log. */
const LAST_LINES_MS = 1000;
const STANDARD_OUTPUT = 1;
const LINE_FEED = 10;

export interface Output extends DestinationStream {
  /** Begins to write what waits. */
  flush(): void;
  /** Writes what waits, as far as the time allows. */
  end(): Promise<void>;
  /** Lines that could not be written, since the start. */
  lost(): number;
}

function countLines(bytes: Buffer): number {
  let count = 0;
  for (let at = bytes.indexOf(LINE_FEED); at >= 0; at = bytes.indexOf(LINE_FEED, at + 1)) count++;
  return count;
}

/**
 * Standard output, written in blocks at least twice a second: a system call per line was a twelfth of the processor time
 * of a read. Each line is copied into the block at once: text put together from thousands of pieces, as pino makes it,
 * costs twice as much to write later. What a killed process had not written is lost from the log, not from the activity
 * log. Where nothing can be written, because nobody reads or the disk is full, lines wait up to a limit; further ones are lost
 * and counted.
 */
export function bufferedOutput(): Output {
  let block = Buffer.allocUnsafeSlow(BLOCK_LENGTH);
  let used = 0;
  let waiting: Buffer[] = [];
  let length = 0;
  let lost = 0;
  let isWriting = false;

  function add(bytes: Buffer): void {
    if (length + bytes.length > MOST_WAITING) {
      lost += countLines(bytes);
      return;
    }
    waiting.push(bytes);
    length += bytes.length;
    writeNext();
  }

  function writeNext(): void {
    const [first] = waiting;
    if (!first || isWriting) return;
    isWriting = true;
    write(STANDARD_OUTPUT, first, (error, written) => {
      if (error) {
        if (error.code === 'EPIPE') discard();
        setTimeout(onWritten, RETRY_MS).unref();
        return;
      }
      length -= written;
      if (written < first.length) waiting[0] = first.subarray(written);
      else waiting.shift();
      onWritten();
    });
  }

  function onWritten(): void {
    isWriting = false;
    writeNext();
  }

  /** Nobody will ever read it. */
  function discard(): void {
    for (const bytes of waiting) lost += countLines(bytes);
    waiting = [];
    length = 0;
  }

  function flush(): void {
    if (used === 0) return;
    const full = block.subarray(0, used);
    block = Buffer.allocUnsafeSlow(BLOCK_LENGTH);
    used = 0;
    add(full);
  }

  // While others wait a block is filled: cut off, it would hold its whole length for a few lines.
  setInterval(() => {
    if (waiting.length === 0) flush();
  }, LONGEST_WAIT_MS).unref();
  return {
    write(line) {
      const most = line.length * MOST_BYTES;
      if (most > BLOCK_LENGTH - used) flush();
      if (most > BLOCK_LENGTH) add(Buffer.from(line));
      else used += block.write(line, used);
    },
    flush,
    async end() {
      flush();
      for (const end = performance.now() + LAST_LINES_MS; length > 0 && performance.now() < end; ) await pause(10);
    },
    lost: () => lost,
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
