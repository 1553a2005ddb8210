import pg from 'pg';
import type { TestScope } from './database.js';

export interface Recorded {
  text: string;
  values: readonly unknown[];
  /** What the transaction was bound by, as `set local` has it: `app.partner_id = '…'`; undefined outside of one. */
  bound: string | undefined;
}

/** On Citus the partner is bound in a message of its own. */
const CONTROL = /^(begin|commit|rollback|set local app\.)\b/;

/**
 * Notes what the pools of this process send, in whatever order.
 * @param user the login whose statements count
 * @param most how many of one text are kept
 */
export function recordStatements(t: TestScope, user: string, most: number): readonly Recorded[] {
  const recorded: Recorded[] = [];
  const seen = new Map<string, number>();
  const bound = new WeakMap<pg.Client, string>();
  const { query } = pg.Client.prototype;
  pg.Client.prototype.query = function (this: pg.Client, ...given: unknown[]) {
    const [first, second] = given as [string | { text: string; values?: unknown[] }, unknown];
    const { text, values = [] } = typeof first === 'string' ? { text: first } : first;
    if (this.user === user && CONTROL.test(text)) {
      bound.set(this, /set local (.*)/.exec(text)?.[1] ?? '');
    } else if (this.user === user) {
      const count = seen.get(text) ?? 0;
      seen.set(text, count + 1);
      const sent = Array.isArray(second) ? second : values;
      if (count < most) recorded.push({ text, values: sent, bound: bound.get(this) });
    }
    return Reflect.apply(query, this, given);
  } as typeof query;
  t.teardown(() => {
    pg.Client.prototype.query = query;
  });
  return recorded;
}
