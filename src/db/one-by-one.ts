import { type SelectQueryBuilder, sql } from 'kysely';

/**
 * Ends a lateral look-up, so that it is made for each row it is joined to, by an index. A plan for any customer holds the
 * average one's rows cheaper to read at once, which of a customer of 100 000 users are 100 000 rows.
 */
export const oneByOne = <DB, Tables extends keyof DB, Row>(
  lookUp: SelectQueryBuilder<DB, Tables, Row>,
): SelectQueryBuilder<DB, Tables, Row> => lookUp.offset(sql.lit(0));
