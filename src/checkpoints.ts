import { createPublicKey, type KeyObject } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import type { FastifyBaseLogger } from 'fastify';
import { ConfigError } from './config.js';
import type { DatabaseHandle } from './db/connect.js';
import { exportPublicKey } from './nouns/activity-log/checkpoint-store.js';
import { writeCheckpoint } from './nouns/activity-log/write-checkpoint.js';

export interface CheckpointsOptions {
  db: DatabaseHandle;
  directory: string;
  /** Ed25519, private. */
  key: KeyObject;
  /** From one checkpoint of a partner to the next. */
  minutes: number;
  log: FastifyBaseLogger;
  now: () => Date;
  everyMilliseconds: number;
}

/** How long the end of the service waits for the last checkpoints; what is left out then was checkpointed on schedule. */
const LAST_CHECKPOINTS_MILLISECONDS = 5000;

/**
 * Writes signed checkpoints of the activity log, partner by partner. Any number of instances may run: who finds a
 * checkpoint that is new enough writes none.
 * @throws ConfigError when the directory cannot be written
 */
export async function startCheckpoints(options: CheckpointsOptions): Promise<{
  /** Writes the checkpoints that are due. */
  runOnce(): Promise<void>;
  /** Writes one of every partner, as far as the time allows, and ends. */
  stop(): Promise<void>;
}> {
  const { db, log, now, minutes } = options;
  await exportPublicKey(options.directory, createPublicKey(options.key)).catch((error: Error) => {
    throw new ConfigError(`CHECKPOINT_DIR cannot be written: ${error.message}.`);
  });
  const due = new Map<string, number>();
  let running: Promise<void> = Promise.resolve();
  let stopping = false;

  const onSetBack = (partnerId: string, customerId: string, seq: number) =>
    log.error({ event: 'log_set_back', partnerId, customerId, seq }, 'the activity log lost entries');

  async function write(partnerId: string, newerThan?: Date): Promise<void> {
    try {
      const time = await writeCheckpoint({ ...options, onSetBack }, partnerId, newerThan);
      due.set(partnerId, time.getTime() + minutes * 60_000);
    } catch (error) {
      // A directory that is full or gone is no reason not to serve; the other partners may have better luck.
      log.error({ err: error, event: 'checkpoint_failed', partnerId }, 'no checkpoint was written');
    }
  }

  async function runOnce(): Promise<void> {
    for (const partnerId of await db.listPartnerIds()) {
      if (stopping) return;
      const time = now().getTime();
      if ((due.get(partnerId) ?? 0) <= time) await write(partnerId, new Date(time - minutes * 60_000));
    }
  }

  async function writeLast(within: AbortSignal): Promise<void> {
    await running;
    for (const partnerId of await db.listPartnerIds()) {
      if (within.aborted) return;
      await write(partnerId);
    }
  }

  const timer = setInterval(() => {
    running = running
      .then(runOnce)
      .catch((error) => log.error({ err: error, event: 'checkpoint_failed' }, 'no checkpoint was written'));
  }, options.everyMilliseconds);
  timer.unref();

  return {
    runOnce,
    async stop() {
      stopping = true;
      clearInterval(timer);
      const late = new AbortController();
      const limit = setTimeout(LAST_CHECKPOINTS_MILLISECONDS, undefined, { signal: late.signal }).catch(() => {});
      const last = writeLast(late.signal).catch((error) =>
        log.error({ err: error, event: 'checkpoint_failed' }, 'the last checkpoints were not written'),
      );
      await Promise.race([last, limit]);
      late.abort();
    },
  };
}
