import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { ApiError } from '../../errors/api-error.js';
import { ApiVersion } from '../../http/api-version.js';
import { assertSameQuery } from '../../http/continuation-token.js';
import { armPage } from '../../http/paging.js';
import { armRefusals } from '../../http/responses.js';
import { ref, textEnum } from '../../http/schemas.js';
import { demand, loadRightsOf, locate } from '../role-assignments/access/access.js';
import { openArmPage, originOf } from '../role-assignments/arm-paging.js';
import { ANY_CALLER } from '../role-assignments/scope-shapes.js';
import { scopeOf } from '../role-assignments/scopes.js';
import { listQuery, SkipToken, TAGS } from './addresses.js';
import { listVisibleReservations } from './list.js';
import { LIST_PROPERTIES, parseListFilter, parseListOrder } from './list-filter.js';
import { listAppliedOrderIds, type Position } from './list-queries.js';
import type { ReservationOptions } from './options.js';
import { AppliedReservations, ReservationsListResult } from './schemas.js';

const RESERVATIONS = '/providers/Microsoft.Capacity/reservations';
const PAGE_SIZE = 100;
const MAX_SKIP = 1000;
const APPLIED_PAGE_SIZE = 500;

interface ListValues {
  'api-version': string;
  tenantId?: string;
  $filter?: string;
  $orderby?: string;
  $skiptoken?: string;
  refreshSummary?: 'true' | 'false';
  selectedState?: string;
  take?: number;
}

/** `$skiptoken` is a number of reservations to leave out, as documented, or where a page before ended. */
function openList({ tokens, publicUrl }: ReservationOptions, request: FastifyRequest) {
  const { $skiptoken: token, refreshSummary, tenantId, 'api-version': version, ...sent } = request.query as ListValues;
  const { $filter, $orderby, selectedState, take } = sent;
  const asked = { $filter, $orderby, selectedState, take, tenantId: tenantId?.toLowerCase() };
  const scope = { partnerId: request.caller.tenantId, route: 'reservations' };
  const count = token !== undefined && /^\d+$/.test(token) ? Number(token) : undefined;
  if (count !== undefined && count > MAX_SKIP) {
    throw new ApiError('InvalidInput', {
      description: `$skiptoken leaves out ${MAX_SKIP} reservations at the most. Follow nextLink for those behind.`,
    });
  }
  const opened = token === undefined || count !== undefined ? undefined : tokens.open(token, scope);
  if (opened) assertSameQuery(opened, asked);
  const query = (opened?.query ?? asked) as typeof asked;
  return {
    ...query,
    after: opened?.position as Position | undefined,
    skip: count ?? 0,
    withSummary: token === undefined || refreshSummary === 'true',
    nextLink(next: Position | undefined) {
      const defined = Object.fromEntries(Object.entries(query).filter(([, value]) => value !== undefined));
      return armPage({
        value: [],
        baseUrl: originOf(request, publicUrl),
        path: RESERVATIONS,
        query: { 'api-version': version, ...defined },
        skipToken: next && tokens.seal({ ...scope, position: next, query: defined as Record<string, string> }),
      }).nextLink;
    },
  };
}

/** What the caller has, over all reservation orders, and what an Azure subscription gets of it. */
export const listRoutes: FastifyPluginAsyncTypebox<ReservationOptions> = async (app, options) => {
  const { db, now } = options;

  app.get(
    RESERVATIONS,
    {
      config: ANY_CALLER,
      schema: {
        tags: TAGS,
        operationId: 'listReservations',
        summary: 'List the reservations the caller can see',
        description: `As with reservation orders. \`summary\` counts all of them by displayed state, whatever the filter: on the first page, and with \`refreshSummary=true\` on others. \`$filter\` compares by eq, ne, gt, ge, lt and le, joined by and, or and parentheses; it and \`$orderby\` know ${Object.keys(LIST_PROPERTIES).join(', ')}.`,
        querystring: listQuery({
          $filter: Type.Optional(Type.String({ examples: ['(properties/archived eq false)'] })),
          $orderby: Type.Optional(Type.String({ examples: ['properties/displayName asc'] })),
          $skiptoken: Type.Optional(
            Type.String({ maxLength: 4096, description: 'How many to leave out, or what `nextLink` holds.' }),
          ),
          refreshSummary: Type.Optional(textEnum(['true', 'false'])),
          selectedState: Type.Optional(
            textEnum([
              'Succeeded',
              'Expiring',
              'Expired',
              'Pending',
              'Processing',
              'Cancelled',
              'Failed',
              'Warning',
              'NoBenefit',
            ]),
          ),
          take: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, description: 'At most 100 come at once.' })),
        }),
        response: { 200: ref(ReservationsListResult), ...armRefusals() },
      },
    },
    async (request) => {
      const list = openList(options, request);
      const { tenantId, after, skip, withSummary, selectedState } = list;
      const viewer = { caller: request.caller, tenantId, now: now() };
      const { value, next, summary } = await listVisibleReservations(db, viewer, {
        filter: list.$filter === undefined ? undefined : parseListFilter(list.$filter),
        order: list.$orderby === undefined ? undefined : parseListOrder(list.$orderby),
        selectedState,
        after,
        skip,
        take: Math.min(list.take ?? PAGE_SIZE, PAGE_SIZE),
        withSummary,
      });
      const nextLink = list.nextLink(next);
      return { value, ...(nextLink !== undefined && { nextLink }), ...(summary && { summary }) };
    },
  );

  app.get(
    '/subscriptions/:subscriptionId/providers/Microsoft.Capacity/appliedReservations',
    {
      config: ANY_CALLER,
      schema: {
        tags: TAGS,
        operationId: 'getAppliedReservations',
        summary: 'Get the reservation orders that apply to an Azure subscription',
        description:
          'Those in force of the same partner that are shared, or name the subscription or a resource group in it. A subscription that was not bought through the partner has none.',
        params: Type.Object({
          subscriptionId: Type.String({ description: 'Id of the Azure subscription.', maxLength: 100 }),
        }),
        querystring: Type.Object({ ...ApiVersion, ...SkipToken }),
        response: { 200: ref(AppliedReservations), ...armRefusals() },
      },
    },
    async (request) => {
      const { caller } = request;
      const action = 'Microsoft.Resources/subscriptions/read';
      const target = await locate(db, caller, scopeOf(request.params), action, undefined);
      const { partnerId, customerId, scope } = target;
      const azureSubscriptionId = scope.azureSubscriptionId ?? '';
      const page = openArmPage(options, request, `appliedReservations ${scope.key}`);
      const found = await db.read(partnerId, async (reading) => {
        if (caller.kind === 'customer') demand(action, caller, target, await loadRightsOf(reading, target), now());
        const { after } = page;
        const wanted = { now: now(), after, limit: APPLIED_PAGE_SIZE + 1 };
        return listAppliedOrderIds(reading, partnerId, customerId, azureSubscriptionId, wanted);
      });
      const path = `${scope.path}/providers/Microsoft.Capacity/appliedReservations`;
      const shown = found.slice(0, APPLIED_PAGE_SIZE);
      const next = found.length > APPLIED_PAGE_SIZE ? shown.at(-1) : undefined;
      return {
        id: `${scope.path}/providers/microsoft.capacity/AppliedReservations/default`,
        name: 'default',
        type: 'Microsoft.Capacity/AppliedReservations',
        properties: {
          reservationOrderIds: page.answer(
            path,
            shown.map((id) => `/providers/Microsoft.Capacity/reservationorders/${id}`),
            next,
          ),
        },
      };
    },
  );
};
