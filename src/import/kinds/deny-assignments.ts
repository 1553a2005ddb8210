import { Type } from 'typebox';
import { indexRows, rowChange } from '../change.js';
import { defineKind, type Plan } from '../kind.js';
import { findRows } from '../queries.js';
import { guidOf, lower, OptionalText, scopeOf, Text, whereOf } from '../wire.js';

/** "All principals" (role-based-access-control/deny-assignments). */
const EVERYONE = '00000000-0000-0000-0000-000000000000';
const Actions = Type.Optional(Type.Array(Type.String()));

/**
 * ARM `denyAssignments` lists. Excluded principals are not kept, and neither are exceptions where there are several
 * permissions: one that is kept blocks no less than the original.
 */
export const denyAssignments = defineKind(
  Type.Object({
    id: OptionalText,
    name: OptionalText,
    denyAssignmentName: Text,
    scope: Text,
    permissions: Type.Array(Type.Object({ actions: Actions, notActions: Actions })),
    principals: Type.Array(Type.Object({ id: Text })),
  }),
  (wire) => {
    const key = guidOf(wire.name ?? wire.id ?? '', '/name');
    const scope = scopeOf(wire.scope, '/scope');
    const principals = wire.principals.map(({ id }, index) => guidOf(id, `/principals/${index}/id`));
    const [first, ...others] = wire.permissions;
    return {
      key,
      where: whereOf(scope),
      fields: {
        deny_assignment_id: key,
        display_name: wire.denyAssignmentName,
        scope: scope.scope,
        scope_key: lower(scope.scope),
        actions: wire.permissions.flatMap((permission) => permission.actions ?? []),
        not_actions: others.length === 0 ? [...(first?.notActions ?? [])] : [],
        principal_ids: principals.filter((id) => id !== EVERYONE),
        everyone: principals.includes(EVERYONE),
      },
    };
  },
  async (db, { partnerId }, rows): Promise<Plan> => {
    const found = await findRows(
      db,
      'deny_assignments',
      partnerId,
      rows.map(({ draft, customerId }) => ({ customer_id: customerId, deny_assignment_id: draft.key })),
    );
    const known = indexRows(found, 'customer_id', 'deny_assignment_id');
    return rows.map(({ draft, customerId }) => {
      const before = known.get(`${customerId} ${draft.key}`);
      return rowChange({
        table: 'deny_assignments',
        before,
        after: { ...draft.fields, partner_id: partnerId, customer_id: customerId },
        customerId,
        entry: {
          operationType: before ? 'update_role_assignment' : 'create_role_assignment',
          resourceType: 'role_assignment',
          resourceId: draft.key,
        },
      });
    });
  },
);
