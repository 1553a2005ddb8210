import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { batchByKey } from '../../db/batch-by-key.js';
import type { DatabaseHandle } from '../../db/connect.js';
import type { PermissionResource } from '../../db/tables.js';
import { ApiError } from '../../errors/api-error.js';
import type { Events } from '../../events.js';
import type { TokenCodec } from '../../http/continuation-token.js';
import { matches, parseIfMatch, quoted } from '../../http/etag.js';
import { openPage, pagingQuery } from '../../http/page-tokens.js';
import { partnerCenterCollection, partnerCenterPage } from '../../http/paging.js';
import { refusals } from '../../http/responses.js';
import { lowerCaseUuid, ref, textEnum, Uuid } from '../../http/schemas.js';
import { READERS, WRITERS } from '../../plugins/authorization.js';
import { listPartnerPermissions, loadCustomerPermissions, type PermissionRow } from './queries.js';
import {
  Eligibility,
  PermissionResourceName,
  PurchasePermission,
  PurchasePermissionCollection,
  PurchasePermissionUpdate,
} from './schemas.js';
import { RESOURCES } from './self-serve-policy.js';
import { checkEligibility, type PermissionRules, type SwitchResult, switchPermissions } from './service.js';
import { toPurchasePermission } from './view.js';

export interface PurchasePermissionOptions {
  db: DatabaseHandle;
  rules: PermissionRules;
  events: Events;
  tokens: TokenCodec;
  now: () => Date;
}

const Customer = Type.Object({ customer: Uuid });
const One = Type.Object({ customer: Uuid, resource: PermissionResourceName });
const IfMatch = Type.Object({ 'if-match': Type.Optional(Type.String({ description: 'ETag as read last.' })) });

/** Tells of the switches of a committed write. */
export function announce(events: Events, partnerId: string, customerId: string, result: SwitchResult): void {
  for (const _ of result.turnedOn) events.permissionSwitched({ partnerId, customerId, direction: 'on' });
  for (const _ of result.turnedOff) events.permissionSwitched({ partnerId, customerId, direction: 'off' });
}

export const purchasePermissions: FastifyPluginAsyncTypebox<PurchasePermissionOptions> = async (app, options) => {
  const { db, rules, events, tokens, now } = options;
  const findPermissions = batchByKey(db.lookUpAlone, loadCustomerPermissions);
  const tags = ['Purchase permissions'];
  const readable = { access: { partner: READERS } };

  app.get(
    '/v1/customers/:customer/purchasepermissions',
    {
      config: readable,
      schema: {
        tags,
        operationId: 'listCustomerPurchasePermissions',
        summary: "List a customer's purchase permissions",
        description: 'Every permission there is, also those never switched: they are off.',
        params: Customer,
        response: { 200: ref(PurchasePermissionCollection), ...refusals() },
      },
    },
    async (request) => {
      const customerId = lowerCaseUuid(request.params.customer);
      const partnerId = request.caller.tenantId;
      const rows = await findPermissions(partnerId, customerId);
      if (!rows) throw new ApiError('CustomerNotFound');
      return partnerCenterCollection(
        RESOURCES.map((resource) => toPurchasePermission(customerId, resource, rowOf(rows, resource), now())),
      );
    },
  );

  app.get(
    '/v1/customers/:customer/purchasepermissions/:resource',
    {
      config: readable,
      schema: {
        tags,
        operationId: 'getPurchasePermission',
        summary: 'Get a purchase permission',
        params: One,
        response: { 200: ref(PurchasePermission), ...refusals() },
      },
    },
    async (request, reply) => {
      const customerId = lowerCaseUuid(request.params.customer);
      const { resource } = request.params;
      const partnerId = request.caller.tenantId;
      const rows = await findPermissions(partnerId, customerId);
      if (!rows) throw new ApiError('CustomerNotFound');
      const permission = toPurchasePermission(customerId, resource, rowOf(rows, resource), now());
      return reply.header('ETag', permission.attributes.etag).send(permission);
    },
  );

  const change = (
    customerId: string,
    resource: PermissionResource,
    ifMatch: string | undefined,
    admitTurningOn?: () => Promise<void>,
  ): Parameters<typeof switchPermissions>[4] => ({
    customerId,
    ...(admitTurningOn && { admitTurningOn }),
    wanted: (on) => {
      const wanted = new Set(on);
      if (admitTurningOn) wanted.add(resource);
      else wanted.delete(resource);
      return wanted;
    },
    precondition: (rows) => {
      if (ifMatch !== undefined && !matches(parseIfMatch(ifMatch), quoted(rowOf(rows, resource)?.version ?? 0))) {
        throw new ApiError('PreconditionFailed');
      }
    },
  });

  app.put(
    '/v1/customers/:customer/purchasepermissions/:resource',
    {
      config: { access: { partner: WRITERS }, strictBody: true },
      schema: {
        tags,
        operationId: 'putPurchasePermission',
        summary: 'Switch a purchase permission',
        description:
          '201 when this request switched it on, 200 otherwise. What is already so is not changed and not logged. Switching on needs eligibility (403 with every failing reason), switching off is always allowed.',
        params: One,
        headers: IfMatch,
        body: ref(PurchasePermissionUpdate),
        response: { 200: ref(PurchasePermission), 201: ref(PurchasePermission), ...refusals(409, 412, 413, 415) },
      },
    },
    async (request, reply) => {
      const customerId = lowerCaseUuid(request.params.customer);
      const { resource } = request.params;
      const admit = request.body.state === 'on' ? () => app.limitSwitches(request) : undefined;
      const partnerId = request.caller.tenantId;
      return app.write(request, reply, partnerId, async (tx, act, commitWith) => {
        const ifMatch = request.headers['if-match'];
        const result = await switchPermissions(
          tx,
          act,
          commitWith,
          rules,
          change(customerId, resource, ifMatch, admit),
        );
        const body = toPurchasePermission(customerId, resource, rowOf(result.after, resource), now());
        return {
          status: result.turnedOn.length > 0 ? 201 : 200,
          headers: { ETag: body.attributes.etag ?? '' },
          body,
          committed: () => announce(events, partnerId, customerId, result),
        };
      });
    },
  );

  app.delete(
    '/v1/customers/:customer/purchasepermissions/:resource',
    {
      config: { access: { partner: WRITERS } },
      schema: {
        tags,
        operationId: 'deletePurchasePermission',
        summary: 'Switch a purchase permission off',
        description: 'Always allowed; 204 also when it is off already, and then not logged.',
        params: One,
        headers: IfMatch,
        response: { 204: Type.Null({ description: 'Off.' }), ...refusals(409, 412, 413, 415) },
      },
    },
    async (request, reply) => {
      const customerId = lowerCaseUuid(request.params.customer);
      const { resource } = request.params;
      const partnerId = request.caller.tenantId;
      return app.write(request, reply, partnerId, async (tx, act, commitWith) => {
        const ifMatch = request.headers['if-match'];
        const result = await switchPermissions(tx, act, commitWith, rules, change(customerId, resource, ifMatch));
        return { status: 204, committed: () => announce(events, partnerId, customerId, result) };
      });
    },
  );

  app.get(
    '/v1/customers/:customer/purchasepermissions/:resource/eligibility',
    {
      config: readable,
      schema: {
        tags,
        operationId: 'getEligibility',
        summary: 'Check whether a permission could be switched on',
        description: 'A dry run: every check, what it rests on, and what to do where it fails. Nothing is changed.',
        params: One,
        response: { 200: ref(Eligibility), ...refusals() },
      },
    },
    async (request) => {
      const customerId = lowerCaseUuid(request.params.customer);
      const { resource } = request.params;
      const partnerId = request.caller.tenantId;
      const verdict = await db.lookUp(partnerId, (reading) =>
        checkEligibility(reading, rules, partnerId, customerId, resource, now()),
      );
      return {
        customerId,
        resource,
        eligible: verdict.eligible,
        ...(verdict.effectiveUntil && { effectiveUntil: verdict.effectiveUntil.toISOString() }),
        checks: [...verdict.checks],
        attributes: { objectType: 'Eligibility' as const },
      };
    },
  );

  app.get(
    '/v1/purchasepermissions',
    {
      config: readable,
      schema: {
        tags,
        operationId: 'listPurchasePermissions',
        summary: "List the purchase permissions of all the partner's customers",
        description: 'Those that were ever switched, by customer. The original has no such list.',
        querystring: Type.Object({
          state: Type.Optional(textEnum(['on', 'off'])),
          effective: Type.Optional(Type.Boolean()),
          size: Type.Optional(Type.Integer({ minimum: 1, maximum: 500, default: 100 })),
          ...pagingQuery,
        }),
        response: { 200: ref(PurchasePermissionCollection), ...refusals() },
      },
    },
    async (request) => {
      const partnerId = request.caller.tenantId;
      const page = openPage<Filter, Position>(tokens, request, 'listPurchasePermissions', [
        'state',
        'effective',
        'size',
      ]);
      const { state, effective, size = 100 } = page.query;
      const rows = await db.lookUp(partnerId, (reading) =>
        listPartnerPermissions(reading, partnerId, {
          ...(state && { state }),
          ...(effective !== undefined && { effective }),
          ...(page.position && { after: page.position }),
          now: now(),
          limit: size + 1,
        }),
      );
      const shown = rows.slice(0, size);
      const last = rows.length > size ? shown.at(-1) : undefined;
      return partnerCenterPage({
        items: shown.map((row) => toPurchasePermission(row.customer_id, row.resource, row, now())),
        path: '/purchasepermissions',
        query: { state, effective: effective === undefined ? undefined : String(effective), size: page.query.size },
        nextToken: last && page.seal({ customerId: last.customer_id, resource: last.resource }),
      });
    },
  );
};

interface Filter {
  state?: 'on' | 'off';
  effective?: boolean;
  size?: number;
}

interface Position {
  customerId: string;
  resource: string;
}

function rowOf(rows: readonly PermissionRow[], resource: PermissionResource): PermissionRow | undefined {
  return rows.find((row) => row.resource === resource);
}
