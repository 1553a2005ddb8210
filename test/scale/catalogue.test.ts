import pg from 'pg';
import t from 'tap';
import { createTestDatabase } from '../helpers/database.js';
import { CATALOGUE_RULES, type CatalogueRule, EXCEPTIONS } from './catalogue-rules.js';

const database = await createTestDatabase(t);
const client = new pg.Client(database.superuserUrl);
await client.connect();
t.teardown(() => client.end());

async function findBreaches({ query }: CatalogueRule): Promise<string[]> {
  return (await client.query<{ at: string }>(query)).rows.map(({ at }) => at);
}

t.test('every table keeps the rules of scale, but for the exceptions that have a reason', async (t) => {
  const met = new Set<string>();
  for (const rule of CATALOGUE_RULES) {
    const breaches = await findBreaches(rule);
    for (const at of breaches) met.add(`${rule.id} ${at}`);
    t.same(
      breaches.filter((at) => !(`${rule.id} ${at}` in EXCEPTIONS)),
      [],
      `${rule.id}: ${rule.says}`,
    );
  }
  t.same(
    Object.keys(EXCEPTIONS).filter((exception) => !met.has(exception)),
    [],
    'no exception is left over',
  );
});

t.test('a schema that breaks a rule is caught by it', async (t) => {
  for (const rule of CATALOGUE_RULES) {
    const [ddl, at] = rule.breach;
    t.notOk((await findBreaches(rule)).includes(at), `${rule.id} is kept before`);
    await client.query(`begin; ${ddl}`);
    t.ok((await findBreaches(rule)).includes(at), `${rule.id} catches: ${ddl}`);
    await client.query('rollback');
  }
  const ids = CATALOGUE_RULES.map(({ id }) => id);
  t.same(ids, [...new Set(ids)]);
});
