import t from 'tap';
import { auditWindow, formatAuditDate, parseAuditDate } from '../../src/http/dates.js';

const now = new Date('2026-11-20T10:30:00.500Z');
const refused = (message: RegExp) => ({ errorName: 'InvalidDate', status: 400, message });

t.test('every form of date that published clients send is read', (t) => {
  const forms: [string, string, boolean][] = [
    ['2020-09-02', '2020-09-02T00:00:00.000Z', true],
    ['6/1/2017 12:00:00 AM', '2017-06-01T00:00:00.000Z', true],
    ['6/1/2017 12:00:05 pm', '2017-06-01T12:00:05.000Z', false],
    ['6/1/2017 1:02:03 PM', '2017-06-01T13:02:03.000Z', false],
    ['06/15/2017 00:00:00', '2017-06-15T00:00:00.000Z', true],
    ['06/15/2017', '2017-06-15T00:00:00.000Z', true],
    ['06/15/2017 23:59:59', '2017-06-15T23:59:59.000Z', false],
    ['2017-06-15T22:56:05.0589308Z', '2017-06-15T22:56:05.058Z', false],
    ['2021-07-14T18:02:00', '2021-07-14T18:02:00.000Z', false],
    ['2021-07-14t18:02z', '2021-07-14T18:02:00.000Z', false],
    ['2021-07-14T00:00:00Z', '2021-07-14T00:00:00.000Z', false],
    ['2021-07-14T18:02:00.5+02:30', '2021-07-14T15:32:00.500Z', false],
    ['2021-07-14T18:02:00 02:00', '2021-07-14T16:02:00.000Z', false],
    ['2021-07-14T18:02:00-08:00', '2021-07-15T02:02:00.000Z', false],
    ['2026-11-324', '2026-11-20T00:00:00.000Z', true],
    ['2020-02-34', '2020-02-03T00:00:00.000Z', true],
    ['2024-12-366', '2024-12-31T00:00:00.000Z', true],
    ['2024-02-29', '2024-02-29T00:00:00.000Z', true],
  ];
  for (const [text, at, wholeDay] of forms) t.same(parseAuditDate(text), { at: new Date(at), wholeDay }, text);
  t.end();
});

t.test('impossible, far away and other dates are refused with the form that is accepted', (t) => {
  const texts = [
    '2023-02-30',
    '2023-02-29',
    '2023-13-01',
    '2023-00-10',
    '2023-01-00',
    '2026-11-325x',
    '2026-10-324',
    '2023-12-700',
    '2023-12-366',
  ];
  texts.push(
    '0000-01-01',
    '1999-12-31',
    '2101-01-01',
    '99999-01-01',
    '1/1/1999',
    '13/1/2020',
    '2/30/2020',
    '6/1/2017 0:00:00 AM',
  );
  texts.push(
    '6/1/2017 13:00:00 PM',
    '6/1/2017 24:00:00',
    '6/1/2017 10:00:60',
    '2020-01-01T24:00:00',
    '2020-01-01T10:60',
    '2020-01-01T10:00:00.12345678Z',
  );
  texts.push('2020-01-01T10:00:00+15:00', '', 'today', '2020-09-02 ', '\n2020-09-02', '1577836800', '20200902');
  for (const text of texts)
    t.throws(() => parseAuditDate(text), refused(/years 2000 to 2100\. Send it as yyyy-mm-dd/), text);
  t.throws(() => parseAuditDate('<b>\r\n'), refused(/^"<b>\\r\\n" is not/));
  t.end();
});

t.test('without dates the window is the last 30 days up to now', (t) => {
  t.same(auditWindow(undefined, undefined, now), {
    from: new Date('2026-10-21'),
    until: new Date('2026-11-20T10:30:00.501Z'),
  });
  t.end();
});

t.test('without an end the window is 30 days from the start, and not beyond now', (t) => {
  t.same(auditWindow('2026-09-01', undefined, now), { from: new Date('2026-09-01'), until: new Date('2026-10-02') });
  t.same(auditWindow('2026-11-19', undefined, now).until, new Date('2026-11-20T10:30:00.501Z'));
  t.same(auditWindow('2026-11-21', undefined, now), { from: new Date('2026-11-21'), until: new Date('2026-11-21') });
  t.end();
});

t.test('the end belongs to the window, and equal dates are that whole day', (t) => {
  t.same(auditWindow('2026-11-01', '2026-11-03', now), { from: new Date('2026-11-01'), until: new Date('2026-11-04') });
  const day = { from: new Date('2026-11-05'), until: new Date('2026-11-06') };
  t.same(auditWindow('2026-11-05', '2026-11-05', now), day);
  t.same(auditWindow('11/05/2026 00:00:00', '11/05/2026 00:00:00', now), day);
  t.same(auditWindow('2026-11-05T10:00:00Z', '2026-11-05T10:00:00Z', now), day);
  t.same(auditWindow('2026-11-05T10:00:00Z', '2026-11-05', now), { ...day, from: new Date('2026-11-05T10:00:00Z') });
  t.same(auditWindow('2026-11-05', '2026-11-05T10:00:00Z', now), {
    ...day,
    until: new Date('2026-11-05T10:00:00.001Z'),
  });
  t.end();
});

t.test('a window that ends before it starts, is too old or too long is refused', (t) => {
  t.throws(() => auditWindow('2026-11-05', '2026-11-04', now), refused(/before the start/));
  t.throws(() => auditWindow('2026-11-05T10:00:00Z', '2026-11-05T09:59:59Z', now), refused(/before the start/));
  t.throws(() => auditWindow(undefined, '2026-10-01', now), refused(/before the start/));
  t.doesNotThrow(() => auditWindow('2026-08-22', '2026-09-21', now));
  t.throws(() => auditWindow('2026-08-21', '2026-09-01', now), refused(/90 days ago/));
  t.throws(() => auditWindow('2026-08-22', '2026-09-22', now), refused(/slices of 30 days/));
  t.throws(() => auditWindow('2026-11-05', '2023-02-30', now), refused(/2023-02-30/));
  t.end();
});

t.test('a time is answered in UTC with seven decimals', (t) => {
  t.equal(formatAuditDate(now), '2026-11-20T10:30:00.5000000Z');
  t.end();
});
