import { ApiError } from '../errors/api-error.js';

/** What an `If-Match` header asks for: any version, or one of the strong entity tags, quotes included. */
export type IfMatch = '*' | readonly string[];

/** RFC 9110 8.8.3, one list member with the comma after it. */
const member = /[ \t]*(?:(W\/)?("[\x21\x23-\x7e\x80-\xff]*")[ \t]*)?(,|$)/y;

/**
 * Reads an `If-Match` header. Weak tags never match (RFC 9110 13.1.1), so they are left out: a list of them alone is
 * empty and matches nothing.
 *
 * @throws ApiError InvalidInput for anything but `*` and quoted tags
 */
export function parseIfMatch(header: string): IfMatch {
  if (header.trim() === '*') return '*';
  const tags: string[] = [];
  let tagsSeen = 0;
  for (let index = 0; index < header.length; index = member.lastIndex) {
    member.lastIndex = index;
    const match = member.exec(header);
    if (match === null) throw invalid();
    if (match[2] === undefined) continue;
    tagsSeen++;
    if (match[1] === undefined) tags.push(match[2]);
  }
  if (tagsSeen === 0) throw invalid();
  return tags;
}

function invalid(): ApiError {
  return new ApiError('InvalidInput', {
    description: 'If-Match has to be * or ETags in double quotes, as they were answered.',
  });
}

/**
 * @param current the quoted tag of the resource; undefined when there is no resource, which nothing matches
 */
export function matches(wanted: IfMatch, current: string | undefined): boolean {
  if (current === undefined) return false;
  return wanted === '*' || wanted.includes(current);
}

/** The strong entity tag of a version: `"3"`. */
export function quoted(version: number | string): string {
  return `"${version}"`;
}
