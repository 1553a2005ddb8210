import t from 'tap';
import { armPage, partnerCenterCollection, partnerCenterPage } from '../../src/http/paging.js';
import { parseQuery } from '../../src/http/query.js';

t.test('the last page links to itself only', (t) => {
  t.strictSame(partnerCenterPage({ items: [1, 2], path: '/customers', query: { size: 40 } }), {
    totalCount: 2,
    items: [1, 2],
    attributes: { objectType: 'Collection' },
    links: { self: { uri: '/customers?size=40', method: 'GET', headers: [] } },
  });
  t.strictSame(partnerCenterPage({ items: [], path: '/customers', query: { size: undefined } }).links, {
    self: { uri: '/customers', method: 'GET', headers: [] },
  });
  t.strictSame(partnerCenterCollection(['a']), {
    totalCount: 1,
    items: ['a'],
    attributes: { objectType: 'Collection' },
  });
  t.end();
});

t.test('a page with a next one carries the token in the body and as the header of the link', (t) => {
  const filter = '{"Field":"CompanyName","Value":"a&b? +é","Operator":"starts_with"}';
  const page = partnerCenterPage({ items: [1], path: '/customers', query: { size: 1, filter }, nextToken: 'tok' });
  t.equal(page.continuationToken, 'tok');
  t.strictSame(page.links?.next?.headers, [{ key: 'MS-ContinuationToken', value: 'tok' }]);
  t.strictSame(page.links?.self.headers, []);
  const [path, query, ...rest] = (page.links?.next?.uri ?? '').split('?');
  t.equal(path, '/customers');
  t.strictSame({ ...parseQuery(query ?? '') }, { size: '1', filter, seekOperation: 'Next' });
  t.strictSame(rest, [], '.NET reads no further than a second question mark');
  t.end();
});

t.test('an ARM page has an absolute nextLink with api-version and literal dollar names', (t) => {
  const path = '/subscriptions/s/providers/Microsoft.Authorization/roleAssignments';
  const query = { 'api-version': '2022-04-01', $filter: "atScope() and assignedTo('x')" };
  t.strictSame(armPage({ value: [1], baseUrl: 'https://a.example/base', path, query, skipToken: 'tok' }), {
    value: [1],
    nextLink: `https://a.example/base${path}?api-version=2022-04-01&$filter=atScope()%20and%20assignedTo('x')&$skipToken=tok`,
  });
  t.strictSame(armPage({ value: [], baseUrl: '', path, query }), { value: [] });
  t.end();
});
