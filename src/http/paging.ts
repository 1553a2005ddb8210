export interface WireLink {
  uri: string;
  method: 'GET';
  headers: { key: string; value: string }[];
}

export interface PartnerCenterCollection<Item> {
  /** Number of items in this answer, not of all there are. */
  totalCount: number;
  items: Item[];
  continuationToken?: string;
  links?: { self: WireLink; next?: WireLink };
  attributes: { objectType: 'Collection' };
}

type QueryValues = Readonly<Record<string, string | number | undefined>>;

/** `name=value&…`, values percent-encoded, names as they are, undefined ones left out. */
function queryText(values: QueryValues): string {
  return Object.entries(values)
    .flatMap(([name, value]) => (value === undefined ? [] : `${name}=${encodeURIComponent(value)}`))
    .join('&');
}

/** A small collection without links, as self-serve policies and entitlements answer. */
export function partnerCenterCollection<Item>(items: readonly Item[]): PartnerCenterCollection<Item> {
  return { totalCount: items.length, items: [...items], attributes: { objectType: 'Collection' } };
}

export interface PartnerCenterPage<Item> {
  readonly items: readonly Item[];
  /** Address without `/v1`, percent-encoded, with a leading slash: `/customers`. */
  readonly path: string;
  /** The query that leads here again, decoded. */
  readonly query: QueryValues;
  /** Token of the page after this one; undefined on the last page. */
  readonly nextToken?: string | undefined;
}

/**
 * A page of a collection with its links (https://learn.microsoft.com/partner-center/developer/utility-resources).
 * Addresses are relative and without `/v1`, or the PowerShell module pages to `/v1//v1/…`
 * (microsoft/Partner-Center-PowerShell#379). They start with a slash, as documented: readers that append them to
 * `…/v1` need it, Java and PowerShell get the doubled slash that the router collapses, .NET takes it off.
 */
export function partnerCenterPage<Item>(page: PartnerCenterPage<Item>): PartnerCenterCollection<Item> {
  const { path, query, nextToken } = page;
  const link = (values: QueryValues, headers: WireLink['headers']): WireLink => {
    const text = queryText(values);
    return { uri: text === '' ? path : `${path}?${text}`, method: 'GET', headers };
  };
  const self = link(query, []);
  if (nextToken === undefined) return { ...partnerCenterCollection(page.items), links: { self } };
  const next = link({ ...query, seekOperation: 'Next' }, [{ key: 'MS-ContinuationToken', value: nextToken }]);
  return { ...partnerCenterCollection(page.items), continuationToken: nextToken, links: { self, next } };
}

export interface ArmPage<Item> {
  readonly value: readonly Item[];
  /** Origin as the client sees it, with a path prefix if there is one, without a slash at the end. */
  readonly baseUrl: string;
  readonly path: string;
  /** Decoded, with `api-version`: clients follow `nextLink` as it is. `$filter` and others keep their literal `$`. */
  readonly query: QueryValues;
  readonly skipToken?: string | undefined;
}

/** A page on the ARM face: `{value, nextLink?}`, `nextLink` absolute. */
export function armPage<Item>(page: ArmPage<Item>): { value: Item[]; nextLink?: string } {
  if (page.skipToken === undefined) return { value: [...page.value] };
  const text = queryText({ ...page.query, $skipToken: page.skipToken });
  return { value: [...page.value], nextLink: `${page.baseUrl}${page.path}?${text}` };
}
