import type { Readable } from 'node:stream';
import fastifyAccepts from '@fastify/accepts';
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import type { Lists } from '../../db/replica.js';
import { ApiError } from '../../errors/api-error.js';
import { maybeOld, sayAsOf } from '../../http/as-of.js';
import { readContinuationToken, type TokenCodec } from '../../http/continuation-token.js';
import { parseAuditDate } from '../../http/dates.js';
import { openPage, pagingQuery } from '../../http/page-tokens.js';
import { partnerCenterPage } from '../../http/paging.js';
import { refusals } from '../../http/responses.js';
import { lowerCaseUuid, ref, Uuid } from '../../http/schemas.js';
import { shown } from '../../http/shown.js';
import { READERS } from '../../plugins/authorization.js';
import { ACTIONS } from './actions.js';
import { EXPORTS, type ExportType, exportStream } from './export.js';
import { ENTRY_COLUMNS, type LogPosition, type LogSelection } from './queries.js';
import { ActivityLogEntryCollection } from './schemas.js';
import { type PageWish, readAll, readPage } from './service.js';
import { toActivityLogEntry } from './view.js';

export interface ActivityLogOptions {
  lists: Lists;
  tokens: TokenCodec;
}

const DEFAULT_SIZE = 100;
const DAY = 86_400_000;
const EXPORT_TYPES = Object.keys(EXPORTS) as ExportType[];

const Streamed = (description: string) => Type.Unsafe<string | Readable>({ type: 'string', description });

interface Filter {
  customerId?: string;
  action?: string;
  actor?: string;
  from?: string;
  to?: string;
}

function actionNamed(text: string): string {
  const action = ACTIONS.find((label) => label.toLowerCase() === text.trim().toLowerCase());
  if (action !== undefined) return action;
  throw new ApiError('InvalidInput', {
    description: `The action ${shown(text)} is not known here. Known: ${ACTIONS.join(', ')}.`,
  });
}

function selectionOf({ customerId, action, actor, from, to }: Filter): LogSelection {
  const start = from === undefined ? undefined : parseAuditDate(from);
  const end = to === undefined ? undefined : parseAuditDate(to);
  if (start && end && end.at.getTime() + (end.wholeDay ? DAY : 1) <= start.at.getTime()) {
    throw new ApiError('InvalidDate', { description: `The time in to, ${shown(to)}, is before the one in from.` });
  }
  return {
    ...(customerId !== undefined && { customerId: lowerCaseUuid(customerId) }),
    ...(action !== undefined && { action: actionNamed(action) }),
    ...(actor !== undefined && { actor }),
    ...(start && { from: start.at }),
    ...(end && { until: new Date(end.at.getTime() + (end.wholeDay ? DAY : 1)) }),
  };
}

/** The activity log without the original's 90 days, each entry with its evidence and its place in the hash chain. */
export const activityLog: FastifyPluginAsyncTypebox<ActivityLogOptions> = async (app, { lists, tokens }) => {
  await app.register(fastifyAccepts);

  app.get(
    '/v1/activitylog',
    {
      config: { access: { partner: READERS }, produces: EXPORT_TYPES },
      schema: {
        tags: ['Activity log'],
        operationId: 'listActivityLog',
        summary: 'List or export the activity log',
        description:
          'JSON: pages, newest first. A page can hold fewer entries than asked for and still have a next one, when few entries match. `Accept: text/csv` and `application/x-ndjson`: every entry that matches, oldest first, in one answer without pages; a cut connection is an incomplete export. In CSV, text that starts like a formula has an apostrophe in front.',
        querystring: Type.Object({
          customerId: Type.Optional(Uuid),
          action: Type.Optional(
            Type.String({
              maxLength: 100,
              description: 'A label of the log, in any case.',
              examples: ['Create Customer Purchase Permissions'],
            }),
          ),
          actor: Type.Optional(
            Type.String({
              minLength: 1,
              maxLength: 320,
              description: 'User principal name, application id or object id of who did it.',
              examples: ['admin@contoso.example'],
            }),
          ),
          from: Type.Optional(
            Type.String({ description: 'Day or ISO 8601 time of the first entry, in UTC.', examples: ['2025-11-01'] }),
          ),
          to: Type.Optional(
            Type.String({
              description: 'Day or ISO 8601 time of the last entry; a day is meant whole.',
              examples: ['2025-11-30'],
            }),
          ),
          size: Type.Optional(Type.Integer({ minimum: 1, maximum: 500, default: DEFAULT_SIZE })),
          ...pagingQuery,
        }),
        response: {
          200: maybeOld({
            description: 'A page, or an export.',
            content: {
              'application/json': { schema: ref(ActivityLogEntryCollection) },
              'text/csv': { schema: Streamed('RFC 4180 with a header row.') },
              'application/x-ndjson': { schema: Streamed('An ActivityLogEntry per line.') },
            },
          }),
          ...refusals(),
        },
      },
    },
    async (request, reply) => {
      const partnerId = request.caller.tenantId;
      const list = lists.begin();
      const wanted = request.accepts().type(['application/json', ...EXPORT_TYPES]);
      const type = EXPORT_TYPES.find((exported) => exported === wanted);
      if (type) {
        const { size, seekOperation, ...filter } = request.query;
        if (size !== undefined || seekOperation !== undefined || readContinuationToken(request) !== undefined) {
          throw new ApiError('InvalidInput', {
            description: 'An export has no pages. Leave out size, seekOperation and the continuation token.',
          });
        }
        const pages = readAll(list, partnerId, selectionOf(filter));
        const { contentType, fileName } = EXPORTS[type];
        // HEAD must not read the log to throw it away.
        const first = request.method === 'HEAD' ? undefined : (await pages.next()).value;
        sayAsOf(reply, list.asOf);
        return reply
          .type(contentType)
          .header('Content-Disposition', `attachment; filename="${fileName}"`)
          .send(first ? exportStream(type, first, pages) : '');
      }
      const page = openPage<Filter & { size?: number }, LogPosition>(tokens, request, 'listActivityLog', [
        'customerId',
        'action',
        'actor',
        'from',
        'to',
        'size',
      ]);
      const { size = DEFAULT_SIZE, ...filter } = page.query;
      const wish: PageWish = { order: 'newest first', after: page.position, size };
      const { rows, next } = await readPage(list, partnerId, selectionOf(filter), wish, ENTRY_COLUMNS);
      sayAsOf(reply, list.asOf);
      return partnerCenterPage({
        items: rows.map(toActivityLogEntry),
        path: '/activitylog',
        query: { ...page.query },
        nextToken: next && page.seal(next),
      });
    },
  );
};
