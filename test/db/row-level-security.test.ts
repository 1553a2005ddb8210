import t from 'tap';
import type { Recorded } from '../helpers/recorded-statements.js';
import { startService } from '../helpers/service.js';
import { inserts, PARTNER, prepareRerun, without } from './rerun-statements.js';

t.setTimeout(120_000);
const service = await startService(t, { sandbox: 'true', webhookAllowPrivateTargets: 'true' });
const { recorded, ofContoso, again, tables, alone, run, reached } = await prepareRerun(t, service, 'cp_app_test');

t.test('every statement says its partner, but for those that have a reason', async (t) => {
  const textsOf = (some: readonly Recorded[]) => [...new Set(some.map(({ text }) => text))].sort();
  const silent = ofContoso.filter((one) => without(one.text, PARTNER) === one.text && !inserts(one));
  t.strictSame(
    textsOf(silent).filter((text) => !/^set local (?!app)/.test(text)),
    [
      'select clock_timestamp() as "now"',
      'select clock_timestamp() as now',
      "select current_setting('server_version_num')::int as version",
    ],
    "the clock and the version are nobody's",
  );
  const outside = recorded.filter(({ bound = '' }) => !/app\.(partner|tenant)_id/.test(bound));
  t.strictSame(
    textsOf(outside).filter((text) => !/kysely_migration|pg_/.test(text)),
    [
      'select "partner_id" from "partners" order by "partner_id"',
      'select * from (select "partner_id" as "partnerId", (select min("occurred_on") as "oldest" from "webhook_events" where "webhook_events"."partner_id" = "partners"."partner_id" and "status" = \'waiting\') as "oldest" from "partners") as "waiting" where "oldest" is not null order by "oldest"',
    ],
    'what walks the partners sees their ids, and how long their events wait',
  );
  t.comment(`${new Set(again.map(({ text }) => text)).size} statements`);
  t.ok(again.length > 150);
});

t.test('without its condition no statement reaches another partner', async (t) => {
  const failed = again.flatMap(({ text, inserts }, index) => {
    const { shown = '' } = alone[index] ?? {};
    return !inserts && /^[0-9A-Z]{5}$/.test(shown) ? [`${shown} ${text}`] : [];
  });
  t.same(failed, [], 'a statement that fails would prove nothing');
  const outcomes = await run(again);
  t.same(
    reached(again, outcomes).map(({ text, values }) => ({ text, values })),
    [],
  );
  const written = again.flatMap((one, index) => (one.inserts ? [[one.text.slice(0, 40), outcomes[index]?.shown]] : []));
  t.same(
    written.filter(([, shown]) => shown !== '42501' && shown !== '0 rows'),
    [],
    'rows of another partner are refused',
  );
});

t.test('with row-level security off on a table, its rows are reached: the test can fail', async (t) => {
  for (const table of tables) {
    const theirs = again.filter(({ text }) => new RegExp(`\\b${table}\\b`).test(text));
    const outcomes = await run(theirs, [table]);
    t.ok(reached(theirs, outcomes).length > 0, table);
  }
});
