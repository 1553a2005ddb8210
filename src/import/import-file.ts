import type { CommitWith, DatabaseHandle, Tx } from '../db/connect.js';
import { type LockedCustomer, lockCustomer } from '../db/customer-lock.js';
import { classifyFailure } from '../errors/from-postgres.js';
import { uuidv4 } from '../lib/uuid.js';
import { type PermissionRules, reevaluate } from '../nouns/purchase-permissions/service.js';
import type { Act } from '../plugins/idempotency/plugin.js';
import { type Change, type Context, type Draft, EVERY_CUSTOMER, type Kind, type Located, RowRefused } from './kind.js';
import { KINDS } from './kinds/index.js';
import { Locator } from './locate.js';
import { listCustomersWithPermission, lockCustomers, lockEveryCustomer, lockPartner, raiseLimits } from './queries.js';
import { faultOf, readExport, type Source } from './read-export.js';
import { type KindName, recognize } from './recognize.js';
import { type FileReport, newReport } from './report.js';
import { writeChanges } from './write-changes.js';

export interface FileOptions {
  db: DatabaseHandle;
  source: Source;
  kind: KindName;
  context: Omit<Context, 'country' | 'now'>;
  rules: PermissionRules;
  correlationId: string;
  onProgress: (rows: number) => void;
}

/** Rows per flight of statements. Beyond some hundred a flight gains nothing and its JSON only gets longer. */
const BATCH = 500;
const PROGRESS_EVERY = 10_000;
/** A file of another kind than its first row would be refused row by row: this many say enough. */
const MAX_REFUSALS = 10_000;

const APPLICATION = {
  type: 'application',
  id: null,
  userPrincipalName: null,
  applicationId: 'customer-permissions import',
} as const;

class FileRefused extends Error {}

interface Pending {
  index: number;
  pointer: string;
  draft: Draft;
}

/** One file in one transaction. */
class FileImport {
  readonly report: FileReport;
  readonly #kind: Kind;
  readonly #act: Act;
  readonly #locator: Locator;
  readonly #touched = new Set<string>();
  /** What a row said, by its key: lists of several scopes repeat what they inherit. */
  readonly #seen = new Map<string, string>();
  #batch: Pending[] = [];

  constructor(
    private readonly options: FileOptions,
    private readonly tx: Tx,
    private readonly commitWith: CommitWith,
    private readonly context: Context,
  ) {
    const { source, kind, correlationId } = options;
    this.report = newReport(source.name, kind);
    this.#kind = KINDS[kind];
    this.#locator = new Locator(tx, context);
    this.#act = { partnerId: context.partnerId, actor: APPLICATION, requestId: uuidv4(), correlationId };
  }

  async run(): Promise<void> {
    const { report } = this;
    const resources = readExport(this.options.source);
    let next = await resources.next();
    for (; !next.done; next = await resources.next()) {
      report.rows++;
      if ('reason' in next.value) this.#refuse(next.value, '', next.value.reason);
      else this.#take(next.value, next.value.value);
      if (this.#batch.length >= BATCH) await this.#flush();
      if (report.rows % PROGRESS_EVERY === 0) this.options.onProgress(report.rows);
      if (report.refused.length >= MAX_REFUSALS) {
        report.notes.push(`Reading stopped at ${MAX_REFUSALS} refused rows.`);
        await resources.return({ hasNextPage: false });
        break;
      }
    }
    await this.#flush();
    if (next.done && next.value.hasNextPage) {
      report.notes.push('The export says that there are further pages: this file is one of several.');
    }
    if (report.refused.length > 0) throw new FileRefused();
    await this.#decideAgain();
  }

  #refuse(at: { index: number; pointer: string }, pointer: string, reason: string): void {
    this.report.refused.push({ index: at.index, pointer: `${at.pointer}${pointer}`, reason });
  }

  #take(at: { index: number; pointer: string }, value: object): void {
    const found = recognize(value);
    if (found !== this.options.kind) {
      const what = found === undefined ? 'is nothing that can be imported' : `is one of ${found}`;
      this.#refuse(at, '', `It ${what}, in a file of ${this.options.kind}.`);
      return;
    }
    try {
      const draft = this.#kind.read(value, this.context);
      if (draft === undefined) {
        this.report.ignored++;
        return;
      }
      const said = digest(JSON.stringify(draft));
      const before = this.#seen.get(draft.key);
      if (before !== undefined && before !== said) {
        this.#refuse(at, '', `The file has ${draft.key} twice, with different content.`);
      } else if (before !== undefined) {
        this.report.unchanged++;
      } else {
        this.#seen.set(draft.key, said);
        this.#batch.push({ index: at.index, pointer: at.pointer, draft });
      }
    } catch (error) {
      if (!(error instanceof RowRefused)) throw error;
      this.#refuse(at, error.pointer, error.reason);
    }
  }

  async #flush(): Promise<void> {
    const batch = this.#batch;
    this.#batch = [];
    if (batch.length === 0) return;
    const located: { at: Pending; row: Located }[] = [];
    const places = await this.#locator.locate(batch.map(({ draft }) => draft.where));
    for (const [i, at] of batch.entries()) {
      const place = places[i];
      if (place === undefined) this.report.ignored++;
      else if ('reason' in place) this.#refuse(at, '', place.reason);
      else located.push({ at, row: { draft: at.draft, customerId: place.customerId } });
    }
    const plan = await this.#planUnderLocks(located);
    if (this.report.refused.length > 0) return;
    this.report.unchanged += located.length - plan.changes.length;
    if (plan.changes.length === 0) return;
    await writeChanges(this.tx, this.#act, plan.changes, plan.customers, plan.now);
    for (const change of plan.changes) {
      if (change.created) this.report.created++;
      else this.report.changed++;
      for (const id of change.touches) this.#touched.add(id);
    }
  }

  /** Plans until the plan was made under the locks of all it touches: before that, anybody could change the rows. */
  async #planUnderLocks(
    rows: readonly { at: Pending; row: Located }[],
  ): Promise<{ changes: Change[]; customers: LockedCustomer[]; now: Date }> {
    const asked = new Set([EVERY_CUSTOMER]);
    const customers: LockedCustomer[] = [];
    for (let now = this.context.now; ; ) {
      const changes = await this.#plan(rows);
      const missing = [...new Set(changes.flatMap((change) => change.touches))].filter((id) => !asked.has(id));
      if (missing.length === 0 || this.report.refused.length > 0) return { changes, customers, now };
      for (const id of missing) asked.add(id);
      const locked = await lockCustomers(this.tx, this.context.partnerId, missing);
      customers.push(...locked.customers);
      now = locked.now;
    }
  }

  async #plan(rows: readonly { at: Pending; row: Located }[]): Promise<Change[]> {
    if (rows.length === 0) return [];
    const plan = await this.#kind.plan(
      this.tx,
      this.context,
      rows.map(({ row }) => row),
    );
    const changes: Change[] = [];
    for (const [i, { at }] of rows.entries()) {
      const outcome = plan[i];
      if (outcome instanceof RowRefused) this.#refuse(at, outcome.pointer, outcome.reason);
      else if (outcome !== undefined) changes.push(outcome);
    }
    return changes;
  }

  /** Of the customers that were touched, only those with a permission that is on have something to lose or regain. */
  async #decideAgain(): Promise<void> {
    if (this.#touched.size === 0) return;
    const { tx, context, report } = this;
    const { partnerId } = context;
    // What is not of one customer is not under the lock of one: a switch-on that is under way has read it as it was.
    const isEvery = this.#touched.has(EVERY_CUSTOMER);
    if (isEvery) await lockEveryCustomer(tx, partnerId);
    const among = isEvery ? undefined : [...this.#touched];
    for (const customerId of await listCustomersWithPermission(tx, partnerId, among)) {
      const { customer, now } = await lockCustomer(tx, partnerId, customerId);
      if (!customer) continue;
      const changes = await reevaluate(tx, this.#act, this.commitWith, this.options.rules, customer, now);
      report.eligibilityChanges.push(...changes.map((change) => ({ partnerId, customerId, ...change })));
    }
  }
}

/** Enough to tell two texts of one key apart: length and a 32-bit FNV-1a. */
function digest(text: string): string {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return `${text.length}.${hash >>> 0}`;
}

/**
 * Imports a file in one transaction, so that it is there whole or not at all, also when the process dies half way. An
 * import of what is known already locks nothing but the partner against another import; where rows change, their
 * customers stay locked until the end of the file, all of them where the partner's domain does.
 */
export async function importFile(options: FileOptions): Promise<FileReport> {
  const { db, source, kind } = options;
  for (let attempt = 1; ; attempt++) {
    let report = newReport(source.name, kind);
    try {
      await db.write(options.context.partnerId, async (tx, commitWith) => {
        await raiseLimits(tx);
        const partner = await lockPartner(tx, options.context.partnerId);
        const context = { ...options.context, country: partner?.country ?? null, now: new Date() };
        const file = new FileImport(options, tx, commitWith, context);
        report = file.report;
        if (!partner && kind !== 'organization') {
          const reason = `The partner ${context.partnerId} is not known: import its organization profile first.`;
          report.refused.push({ index: 0, pointer: '', reason });
          throw new FileRefused();
        }
        await file.run();
      });
      return report;
    } catch (error) {
      // Somebody else made a row of the same name meanwhile: the next attempt sees it and says which.
      if (classifyFailure(error) === 'conflict' && attempt === 1) continue;
      if (!(error instanceof FileRefused)) {
        const { index, reason } = faultOf(error);
        report.refused.push({ index, pointer: '', reason });
      }
      return { ...report, created: 0, changed: 0, unchanged: 0, eligibilityChanges: [] };
    }
  }
}
