import type { FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { batchByKey } from '../../db/batch-by-key.js';
import {
  CommitNotReplicated,
  CommitOutcomeUnknown,
  type CommitWith,
  type DatabaseHandle,
  type Tx,
} from '../../db/connect.js';
import { ApiError, type Reason } from '../../errors/api-error.js';
import type { ErrorName } from '../../errors/catalogue.js';
import { classifyFailure, violatedConstraint } from '../../errors/from-postgres.js';
import { seal, unseal } from '../../lib/seal.js';
import { fingerprint } from './fingerprint.js';
import { deleteExpiredLedgerRow, insertLedgerRow, loadLedgerRows } from './queries.js';

/** How long an answer can be had again under its request id. Partner Center publishes no window; see docs/differences.md. */
const KEPT_MILLISECONDS = 24 * 60 * 60 * 1000;

/** What a write is answered with. */
export interface Outcome {
  status: number;
  headers?: Readonly<Record<string, string>>;
  /** Absent: no body. */
  body?: unknown;
  /** Runs once after the commit, and not when the answer is replayed: for counters and log lines. */
  committed?: () => void;
}

/** A refusal that leaves something written: it is committed, kept for repetitions and then thrown. */
export interface RefusedOutcome {
  refusal: ApiError;
  committed?: () => void;
}

/** Who does what under which ids: what the activity log says of every change of this request. */
export interface Act {
  partnerId: string;
  actor: Actor;
  requestId: string;
  correlationId: string;
}

export interface Actor {
  type: 'user' | 'application' | 'system';
  /** Object id of the user or service principal. */
  id: string | null;
  userPrincipalName: string | null;
  applicationId: string | null;
}

/** By what name a row remembers who made it. */
export function nameOf({ type, id, userPrincipalName, applicationId }: Actor): string {
  const named = type === 'user' ? (userPrincipalName ?? id) : applicationId;
  return named ?? userPrincipalName ?? id ?? type;
}

export type Write = (tx: Tx, act: Act, commitWith: CommitWith) => Promise<Outcome | RefusedOutcome>;

declare module 'fastify' {
  interface FastifyInstance {
    /**
     * Runs a write in one transaction of the partner and answers it. The answer is stored in that transaction under the
     * request id, so that a repeated request gets the first answer again (`MS-Replayed: true`) and acts once.
     */
    write(request: FastifyRequest, reply: FastifyReply, partnerId: string, work: Write): Promise<FastifyReply>;
  }
}

interface StoredRefusal {
  errorName: ErrorName;
  description: string;
  reasons: readonly Reason[];
  armCode: string;
}

interface StoredReply {
  headers?: Readonly<Record<string, string>>;
  body?: unknown;
  refusal?: StoredRefusal;
}

export interface IdempotencyOptions {
  db: DatabaseHandle;
  /** Seals stored answers: one of them holds the only copy of a new customer's password. 32 bytes. */
  key: Buffer;
  now: () => Date;
}

function actorOf({ caller }: FastifyRequest): Actor {
  return {
    type: caller.appOnly ? 'application' : 'user',
    id: caller.objectId,
    userPrincipalName: caller.userPrincipalName,
    applicationId: caller.applicationId,
  };
}

export const idempotency = fp<IdempotencyOptions>(
  async (app, { db, key, now }) => {
    const running = new Set<string>();
    const findRow = batchByKey(db.lookUpAlone, loadLedgerRows);

    async function findReply(request: FastifyRequest, partnerId: string, print: Buffer): Promise<Outcome | undefined> {
      const row = await findRow(partnerId, request.requestId);
      if (!row) return undefined;
      if (row.expires_on <= now()) {
        await db.write(partnerId, (tx) => deleteExpiredLedgerRow(tx, partnerId, request.requestId, now()));
        return undefined;
      }
      if (!row.fingerprint.equals(print)) throw new ApiError('RequestIdReused');
      const stored = JSON.parse(unseal(key, row.reply)) as StoredReply;
      const headers = { ...stored.headers, 'MS-Replayed': 'true' };
      if (stored.refusal) throw new ApiError(stored.refusal.errorName, { ...stored.refusal, headers });
      return { status: row.status, headers, body: stored.body };
    }

    function ledgerRow(request: FastifyRequest, partnerId: string, print: Buffer, status: number, reply: StoredReply) {
      return {
        partner_id: partnerId,
        request_id: request.requestId,
        fingerprint: print,
        status,
        reply: seal(key, JSON.stringify(reply)),
        expires_on: new Date(now().getTime() + KEPT_MILLISECONDS),
      };
    }

    async function perform(
      request: FastifyRequest,
      partnerId: string,
      print: Buffer,
      work: Write,
    ): Promise<Outcome | RefusedOutcome> {
      const act: Act = {
        partnerId,
        actor: actorOf(request),
        requestId: request.requestId,
        correlationId: request.correlationId,
      };
      const outcome = await db.writeTogether(partnerId, async (tx, commitWith) => {
        const outcome = await work(tx, act, commitWith);
        if ('refusal' in outcome) {
          const { refusal } = outcome;
          commitWith(insertLedgerRow(tx, ledgerRow(request, partnerId, print, refusal.status, storedRefusal(refusal))));
          return outcome;
        }
        const stored = {
          ...(outcome.headers && { headers: outcome.headers }),
          ...(outcome.body !== undefined && { body: outcome.body }),
        };
        commitWith(insertLedgerRow(tx, ledgerRow(request, partnerId, print, outcome.status, stored)));
        return outcome;
      });
      outcome.committed?.();
      return outcome;
    }

    function storedRefusal({ errorName, message: description, reasons, armCode, headers }: ApiError): StoredReply {
      return { headers, refusal: { errorName, description, reasons, armCode } };
    }

    /**
     * Keeps a refusal for repetitions.
     * @returns the first answer, when there is one: the id was answered meanwhile, or an earlier attempt was and only its
     *   reply had been lost
     */
    async function keepRefusal(request: FastifyRequest, partnerId: string, print: Buffer, refusal: ApiError) {
      try {
        await db.write(partnerId, (tx) =>
          insertLedgerRow(tx, ledgerRow(request, partnerId, print, refusal.status, storedRefusal(refusal))),
        );
        return undefined;
      } catch (error) {
        if (classifyFailure(error) !== 'conflict') {
          request.log.warn(
            { err: error, event: 'refusal_not_kept', requestId: request.requestId },
            'a refusal could not be stored',
          );
        }
        return findReply(request, partnerId, print);
      }
    }

    async function answer(
      request: FastifyRequest,
      partnerId: string,
      print: Buffer,
      work: Write,
    ): Promise<Outcome | RefusedOutcome> {
      if (request.requestIdSent) {
        const replayed = await findReply(request, partnerId, print);
        if (replayed) return replayed;
      }
      let lost: CommitOutcomeUnknown | undefined;
      try {
        for (let attempt = 1; ; attempt++) {
          try {
            return await perform(request, partnerId, print, work);
          } catch (error) {
            if (error instanceof CommitOutcomeUnknown) lost = error;
            const first = await findFirst(request, partnerId, print, error, lost !== undefined);
            if (first) return first;
            if (attempt === 2) throw error;
          }
        }
      } catch (error) {
        // Behind a lost COMMIT a failure does not say that nothing was changed: what was sent may still be done.
        const decided = error instanceof ApiError && error.status < 500;
        throw lost === undefined || decided ? error : lost;
      }
    }

    /**
     * What a failed attempt is answered with, where it was not the first to act; undefined: to be tried again.
     * @param afterLost whether an earlier attempt may have acted under this id
     */
    async function findFirst(
      request: FastifyRequest,
      partnerId: string,
      print: Buffer,
      error: unknown,
      afterLost: boolean,
    ): Promise<Outcome | undefined> {
      if (error instanceof ApiError) {
        if (!(request.requestIdSent || afterLost) || error.status >= 500) throw error;
        const first = await keepRefusal(request, partnerId, print, error);
        if (first) return first;
        throw error;
      }
      const taken = classifyFailure(error) === 'conflict' && violatedConstraint(error)?.startsWith('request_ledger');
      // On this server it is done; whether it stays, nothing here tells.
      if (error instanceof CommitNotReplicated) throw error;
      if (!taken && !(error instanceof CommitOutcomeUnknown)) throw error;
      // The ledger row was written with the change or not at all: it tells what became of the COMMIT.
      return findReply(request, partnerId, print);
    }

    app.decorate('write', async (request, reply, partnerId, work) => {
      const runningKey = `${partnerId} ${request.requestId}`;
      if (running.has(runningKey)) throw new ApiError('RequestInProgress', { headers: { 'Retry-After': '1' } });
      running.add(runningKey);
      try {
        const outcome = await answer(request, partnerId, fingerprint(request), work);
        // Answered at the deadline.
        if (reply.sent) return reply;
        if ('refusal' in outcome) throw outcome.refusal;
        reply.code(outcome.status).headers(outcome.headers ?? {});
        return outcome.body === undefined ? reply.send() : reply.send(outcome.body);
      } finally {
        running.delete(runningKey);
      }
    });
  },
  { name: 'idempotency', dependencies: ['request-ids', 'authentication'] },
);
