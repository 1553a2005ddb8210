import type { Promised, Verdict } from './suite.js';

/** One row of docs/promises.md. */
export interface PromiseRow {
  promised: Promised;
  verdict: Verdict;
  /** How to measure it again. */
  command: string;
  /** yyyy-mm-dd */
  date: string;
}

const HEAD = `# Promises

What the service promises, how far it keeps it, and the command that measures it again. Written by \`npm run proof\`;
[proof/README.md](../proof/README.md) tells the method. *Without the guard*: what the same suite reached when the guard was taken
out. It has to miss the target there, else it would prove nothing.

| id | promise | target | reached | kept | without the guard | command | date |
|---|---|---|---|---|---|---|---|
`;

const cell = (text: string) => text.replaceAll('|', '\\|').replaceAll('\n', ' ');

function rowOf({ promised, verdict, command, date }: PromiseRow): string {
  const { id, says, target, withoutGuard } = promised;
  const guard = withoutGuard === undefined ? '' : `${verdict.unguarded ?? 'not measured'}, ${withoutGuard}`;
  const cells = [id, says, target, verdict.reached, verdict.kept ? 'yes' : '**no**', guard, `\`${command}\``, date];
  return `| ${cells.map(cell).join(' | ')} |`;
}

/**
 * The text of docs/promises.md.
 * @param before the text until now: rows of promises that were not measured stay
 * @param order ids of all promises there are; rows of others are dropped
 */
export function writePromises(before: string, order: readonly string[], rows: readonly PromiseRow[]): string {
  const lines = new Map<string, string>();
  for (const line of before.split('\n')) {
    const id = /^\| ([a-z0-9-]+) \|/.exec(line)?.[1];
    if (id !== undefined && id !== 'id') lines.set(id, line);
  }
  for (const row of rows) lines.set(row.promised.id, rowOf(row));
  return `${HEAD}${order.flatMap((id) => lines.get(id) ?? []).join('\n')}\n`;
}
