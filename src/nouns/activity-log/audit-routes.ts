import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import type { DatabaseHandle } from '../../db/connect.js';
import { ApiError } from '../../errors/api-error.js';
import { maybeOld, sayAsOf } from '../../http/as-of.js';
import { readContinuationToken } from '../../http/continuation-token.js';
import { auditWindow } from '../../http/dates.js';
import { acceptFilter, type FieldFilter, type FilterFields, parseFilter } from '../../http/filter.js';
import { openPage, pagingQuery } from '../../http/page-tokens.js';
import { type PartnerCenterCollection, partnerCenterPage } from '../../http/paging.js';
import { refusals } from '../../http/responses.js';
import { ref } from '../../http/schemas.js';
import { isUuid } from '../../lib/uuid.js';
import { READERS } from '../../plugins/authorization.js';
import { type LogPosition, type LogSelection, listEntriesAt } from './queries.js';
import type { ActivityLogOptions } from './routes.js';
import { AuditRecord, AuditRecordCollection } from './schemas.js';
import { type PageWish, readPage } from './service.js';
import { AUDIT_COLUMNS, auditRecordId, readAuditRecordId, toAuditRecord } from './view.js';

const DEFAULT_SIZE = 500;

/** https://learn.microsoft.com/partner-center/developer/get-a-record-of-partner-center-activity-by-user */
const FIELDS: FilterFields = new Map([
  ['CompanyName', { operators: ['substring'] }],
  ['CustomerId', { operators: ['equals'] }],
  ['ResourceType', { operators: ['equals'] }],
]);

/** Where a page ends, and the window that the first request opened: it must not move on while it is paged through. */
interface Position extends LogPosition {
  from: string;
  until?: string;
}

type Query = Record<string, string | number>;

/** The condition of a filter; undefined when no entry can meet it. */
function conditionOf({ field, value }: FieldFilter): LogSelection | undefined {
  if (field === 'CompanyName') return { customerName: value };
  if (field === 'ResourceType') return { resourceType: value };
  return isUuid(value) ? { customerId: value.toLowerCase() } : undefined;
}

const DateText = (description: string) => Type.Optional(Type.String({ description, examples: ['2025-11-01'] }));
const START = 'Default: 30 days ago. At most 90 days ago.';
const END = 'At most 30 days after the start; a day is meant whole. Default: that, or now.';
const Size = Type.Optional(
  Type.Integer({ minimum: 0, maximum: 500, default: DEFAULT_SIZE, description: '0: the default.' }),
);

export interface AuditRecordOptions extends ActivityLogOptions {
  db: DatabaseHandle;
  now: () => Date;
}

/** Partner Center's audit records, under both of their addresses. */
export const auditRecords: FastifyPluginAsyncTypebox<AuditRecordOptions> = async (app, { db, lists, tokens, now }) => {
  const tags = ['Activity log'];
  const config = { access: { partner: READERS } };

  /** @param names the parameters of the address: start date, end date, size and those of the filter */
  async function list(
    request: FastifyRequest,
    reply: FastifyReply,
    operation: string,
    names: { start: string; end: string; size: string; filter: readonly string[] },
    readFilter: (query: Query) => FieldFilter | undefined,
  ): Promise<PartnerCenterCollection<AuditRecord>> {
    const partnerId = request.caller.tenantId;
    const sent = request.query as Query;
    if (sent[names.size] === 0) delete sent[names.size];
    if (readContinuationToken(request) === undefined) sent[names.size] ??= DEFAULT_SIZE;
    const page = openPage<Query, Position>(tokens, request, operation, [
      names.start,
      names.end,
      ...names.filter,
      names.size,
    ]);
    const { query, position } = page;
    const window = position ?? openWindow(text(query[names.start]), text(query[names.end]));
    const filter = readFilter(query);
    const condition = filter ? conditionOf(filter) : {};
    const selection = {
      ...condition,
      from: new Date(window.from),
      ...(window.until !== undefined && { until: new Date(window.until) }),
    };
    const wish: PageWish = {
      order: 'newest first',
      after: position,
      size: Number(query[names.size] ?? DEFAULT_SIZE),
    };
    const reading = lists.begin();
    const { rows, next } = condition
      ? await readPage(reading, partnerId, selection, wish, AUDIT_COLUMNS)
      : { rows: [] };
    sayAsOf(reply, reading.asOf);
    return partnerCenterPage({
      items: rows.map(toAuditRecord),
      path: '/auditrecords',
      query,
      nextToken: next && page.seal({ ...window, ...next }),
    });
  }

  /** Open at its end where that is now: the entry just written may bear a time of a clock that is a little ahead. */
  function openWindow(start: string | undefined, end: string | undefined): { from: string; until?: string } {
    const today = now();
    const { from, until } = auditWindow(start, end, today);
    const open = end === undefined && until > today;
    return { from: from.toISOString(), ...(!open && { until: until.toISOString() }) };
  }

  app.get(
    '/v1/auditrecords',
    {
      config,
      schema: {
        tags,
        operationId: 'listAuditRecords',
        summary: 'List audit records',
        description:
          'Newest first. Dates as `2025-11-01`, `11/01/2025 00:00:00`, `11/1/2025 12:00:00 AM` or ISO 8601. A page can hold fewer records than asked for and still have a next one, when few match the filter.',
        querystring: Type.Object({
          startDate: DateText(START),
          endDate: DateText(END),
          filter: Type.Optional(
            Type.String({
              description: 'CompanyName `substring`, CustomerId `equals` or ResourceType `equals`.',
              examples: ['{"Field":"CompanyName","Value":"relecloud","Operator":"substring"}'],
            }),
          ),
          size: Size,
          ...pagingQuery,
        }),
        response: { 200: maybeOld(ref(AuditRecordCollection)), ...refusals() },
      },
    },
    (request, reply) =>
      list(
        request,
        reply,
        'listAuditRecords',
        { start: 'startDate', end: 'endDate', size: 'size', filter: ['filter'] },
        ({ filter }) => (filter === undefined ? undefined : parseFilter(String(filter), FIELDS)),
      ),
  );

  app.get(
    '/auditactivity/v1/auditrecords',
    {
      config,
      schema: {
        tags,
        operationId: 'listAuditActivityRecords',
        summary: 'List audit records, in the spelling of the Swagger file',
        description: 'The same as listAuditRecords.',
        querystring: Type.Object({
          'auditRequest.startDate': DateText(START),
          'auditRequest.endDate': DateText(END),
          'auditRequest.filter.field': Type.Optional(
            Type.String({ description: 'CompanyName, CustomerId or ResourceType.' }),
          ),
          'auditRequest.filter.value': Type.Optional(Type.String({ maxLength: 1024 })),
          'auditRequest.filter.operator': Type.Optional(
            Type.String({ description: '`substring` for CompanyName, else `equals`.' }),
          ),
          'auditRequest.size': Size,
          ...pagingQuery,
        }),
        response: { 200: maybeOld(ref(AuditRecordCollection)), ...refusals() },
      },
    },
    (request, reply) => {
      const parts = ['field', 'value', 'operator'].map((part) => `auditRequest.filter.${part}`);
      return list(
        request,
        reply,
        'listAuditActivityRecords',
        {
          start: 'auditRequest.startDate',
          end: 'auditRequest.endDate',
          size: 'auditRequest.size',
          filter: parts,
        },
        (query) => {
          const [field, value, operator] = parts.map((part) => query[part]);
          const sent = { field, value, operator };
          return Object.values(sent).every((part) => part === undefined) ? undefined : acceptFilter(sent, FIELDS);
        },
      );
    },
  );

  app.get(
    '/auditactivity/v1/auditrecords/:id',
    {
      config,
      schema: {
        tags,
        operationId: 'getAuditRecord',
        summary: 'Get an audit record',
        description: 'Of any age. The Swagger file has both 404 and 200 with `null` for one that is absent: it is 404.',
        params: Type.Object({ id: Type.String({ maxLength: 500 }) }),
        response: { 200: ref(AuditRecord), ...refusals() },
      },
    },
    async (request) => {
      const partnerId = request.caller.tenantId;
      const { id } = request.params;
      const place = readAuditRecordId(id, partnerId);
      if (!place) throw new ApiError('AuditRecordNotFound');
      const rows = await db.lookUp(partnerId, (reading) =>
        listEntriesAt(reading, partnerId, place.customerId, place.occurredOn),
      );
      const row = rows.find((entry) => auditRecordId(entry).toLowerCase() === id.toLowerCase());
      if (!row) throw new ApiError('AuditRecordNotFound');
      return toAuditRecord(row);
    },
  );
};

function text(value: string | number | undefined): string | undefined {
  return value === undefined ? undefined : String(value);
}
