import { type RawBuilder, sql } from 'kysely';

/**
 * Text in lower case as `toLowerCase()` makes it, in the order of its bytes: by the rules of Unicode for no language,
 * from ICU. By those of the database I becomes a dotless one in a Turkish database, and Ä stays what it is in one of "C".
 */
export function folded(text: RawBuilder<unknown>): RawBuilder<string> {
  return sql`lower((${text}) collate "und-x-icu") collate "C"`;
}
