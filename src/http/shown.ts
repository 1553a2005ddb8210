/**
 * Text of a caller, fit for an error description: quoted, control characters escaped, cut after `limit` characters.
 */
export function shown(value: unknown, limit = 64): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value));
  return JSON.stringify(text.length > limit ? `${text.slice(0, limit)}…` : text);
}
