import { ApiError } from '../errors/api-error.js';
import { shown } from './shown.js';

/** A parsed query: a name that came more than once has an array. Without prototype. */
export type Query = Readonly<Record<string, string | readonly string[]>>;

const malformed = Symbol('malformed');

function decode(part: string): string {
  const text = part.includes('+') ? part.replaceAll('+', ' ') : part;
  return text.includes('%') ? decodeURIComponent(text) : text;
}

/**
 * The router's query parser: `+` is a blank (the .NET and Java SDKs form-encode), raw JSON and a `?` in a value
 * stay what they are. Never throws, because an exception here ends the process; what cannot be decoded or holds
 * U+0000 is marked instead, for {@link assertWellFormedQuery}.
 */
export function parseQuery(text: string): Query {
  const query: Record<string, string | string[]> = Object.create(null);
  try {
    for (const pair of text.split('&')) {
      if (pair === '') continue;
      const equals = pair.indexOf('=');
      const name = decode(equals === -1 ? pair : pair.slice(0, equals));
      const value = equals === -1 ? '' : decode(pair.slice(equals + 1));
      if (name.includes('\0') || value.includes('\0')) throw new URIError('U+0000');
      const before = query[name];
      if (before === undefined) query[name] = value;
      else if (typeof before === 'string') query[name] = [before, value];
      else before.push(value);
    }
  } catch {
    Object.defineProperty(query, malformed, { value: true });
  }
  return query;
}

/**
 * Belongs into an onRequest hook.
 *
 * @throws ApiError InvalidInput when {@link parseQuery} could not decode the query
 */
export function assertWellFormedQuery(query: unknown): void {
  if (typeof query === 'object' && query !== null && malformed in query) {
    throw new ApiError('InvalidInput', {
      description: 'The query of the address is not valid percent-encoded UTF-8. Encode it anew.',
    });
  }
}

export interface FoldQueryOptions {
  /**
   * A name sent twice: `refuse` on the Partner Center face, `first` on the ARM face, whose JavaScript SDK can repeat
   * what `nextLink` already holds.
   */
  readonly duplicates: 'refuse' | 'first';
}

/**
 * Query values under their declared names, whatever the letter case they were sent in (`entity_Id`). An undeclared name
 * is refused: a misspelt filter would answer every row.
 *
 * @throws ApiError InvalidInput
 */
export function foldQuery<Name extends string>(
  declared: readonly Name[],
  query: Readonly<Record<string, unknown>>,
  options: FoldQueryOptions,
): Partial<Record<Name, string>> {
  assertWellFormedQuery(query);
  const folded: Partial<Record<Name, string>> = {};
  for (const [sent, content] of Object.entries(query)) {
    const lower = sent.toLowerCase();
    const name = declared.find((one) => one.toLowerCase() === lower);
    if (name === undefined) {
      const known = declared.length === 0 ? 'none' : declared.join(', ');
      throw new ApiError('InvalidInput', {
        description: `The query parameter ${shown(sent)} is not known here. Known: ${known}.`,
      });
    }
    const values: readonly unknown[] = Array.isArray(content) ? content : [content];
    if (options.duplicates === 'refuse' && (values.length > 1 || folded[name] !== undefined)) {
      throw new ApiError('InvalidInput', { description: `The query parameter ${name} came more than once.` });
    }
    folded[name] ??= String(values[0]);
  }
  return folded;
}
