import pg from 'pg';
import t from 'tap';
import { createTestDatabase } from './database.js';

t.test('a test database', async (t) => {
  const one = await createTestDatabase(t);
  const other = await createTestDatabase(t);
  const query = async (url: string, text: string) => {
    const client = new pg.Client(url);
    await client.connect();
    return client.query(text).finally(() => client.end());
  };

  t.test('is migrated, empty and its own', async (t) => {
    await query(
      one.superuserUrl,
      "insert into partners values (gen_random_uuid(), 'Contoso', 'contoso.com', 'US', null, null, now())",
    );
    t.same((await query(one.superuserUrl, 'select company_name from partners')).rows, [{ company_name: 'Contoso' }]);
    t.same((await query(other.superuserUrl, 'select company_name from partners')).rows, []);
  });

  t.test('shows the application login no more than the service may see', async (t) => {
    t.same((await query(one.appUrl, 'select company_name from partners')).rows, [], 'no partner is bound');
    await t.rejects(query(one.appUrl, 'delete from activity_log'), { code: '42501' });
    await t.rejects(query(one.appUrl, 'create table extra (n int)'), { code: '42501' });
  });

  t.test('belongs to a login that can migrate and is not above row-level security', async (t) => {
    await query(one.ownerUrl, 'alter table partners add column extra int');
    t.same((await query(one.ownerUrl, 'select company_name from partners')).rows, []);
  });

  t.test('can be dropped while the last connection is still closing', async (t) => {
    const client = new pg.Client(one.appUrl);
    await client.connect();
    const dropped = one.drop();
    setTimeout(() => client.end(), 100);
    await dropped;
    await t.rejects(query(one.appUrl, 'select 1'), { code: '3D000' });
  });
});
