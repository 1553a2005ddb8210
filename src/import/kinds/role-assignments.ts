import { type Static, Type } from 'typebox';
import type { PrincipalType } from '../../db/tables.js';
import { indexRows, rowChange } from '../change.js';
import { type Change, defineKind, type Located, type Plan, type Row, RowRefused } from '../kind.js';
import { findRows } from '../queries.js';
import { guidOf, lower, OptionalText, scopeOf, Text, Time, timeOf, whereOf } from '../wire.js';

const PRINCIPAL_TYPES: readonly PrincipalType[] = ['User', 'Group', 'ServicePrincipal', 'ForeignGroup', 'Device'];
/** What makes an assignment one and the same in Azure; a second one is refused there. */
const TUPLE = ['customer_id', 'scope_key', 'role_definition_id', 'principal_id', 'assignment_state'] as const;

const common = {
  id: OptionalText,
  name: OptionalText,
  scope: Text,
  roleDefinitionId: Type.String(),
  principalId: Type.String(),
  principalType: OptionalText,
  condition: OptionalText,
  conditionVersion: OptionalText,
  createdOn: Type.Optional(Time),
  updatedOn: Type.Optional(Time),
};
const RoleAssignment = Type.Object({
  ...common,
  description: OptionalText,
  createdBy: OptionalText,
  updatedBy: OptionalText,
});
const ScheduleInstance = Type.Object({
  ...common,
  status: OptionalText,
  memberType: OptionalText,
  startDateTime: Type.Optional(Time),
  endDateTime: Type.Optional(Time),
  originRoleAssignmentId: OptionalText,
});

type Fields = Omit<Row<'role_assignments'>, 'partner_id' | 'customer_id' | 'created_on' | 'updated_on'>;

interface AssignmentDraft {
  key: string;
  where: { azureSubscriptionId: string | undefined; tenantId: string | undefined };
  fields: Fields;
  createdOn: Date | undefined;
  updatedOn: Date | undefined;
  /** An active instance of PIM tells when an assignment that is listed elsewhere ends. */
  isInstance: boolean;
  /** Undefined: the export cannot tell. */
  endsOn: Date | null | undefined;
}

/** A deleted principal has type Unknown, or none. It is in no directory either way. */
function principalTypeOf(text: string | undefined): PrincipalType {
  return PRINCIPAL_TYPES.find((type) => type.toLowerCase() === text?.toLowerCase()) ?? 'User';
}

const guidOrNull = (text: string | undefined) => (text && /^[0-9a-f-]{36}$/i.test(text) ? lower(text) : null);

function fieldsOf(wire: Static<typeof RoleAssignment>, id: string, state: Fields['assignment_state']) {
  const scope = scopeOf(wire.scope, '/scope');
  const fields: Fields = {
    role_assignment_id: id,
    scope: scope.scope,
    scope_key: scope.scope.toLowerCase(),
    scope_level: scope.level,
    azure_subscription_id: scope.azureSubscriptionId,
    role_definition_id: guidOf(wire.roleDefinitionId, '/roleDefinitionId'),
    principal_id: guidOf(wire.principalId, '/principalId'),
    principal_type: principalTypeOf(wire.principalType),
    assignment_state: state,
    ends_on: null,
    condition: wire.condition || null,
    condition_version: wire.conditionVersion || null,
    description: wire.description || null,
    created_by: guidOrNull(wire.createdBy),
    updated_by: guidOrNull(wire.updatedBy),
  };
  return { fields, where: whereOf(scope) };
}

const optionalTime = (text: string | undefined, pointer: string) => (text ? timeOf(text, pointer) : undefined);

/** ARM `roleAssignments` lists, and `az role assignment list`. */
export const roleAssignments = defineKind(
  RoleAssignment,
  (wire): AssignmentDraft | undefined => {
    // `az --include-classic-administrators` adds what is no role assignment: classic roles give no right to buy.
    if (wire.id?.startsWith('NA(') || wire.name?.startsWith('NA(')) return undefined;
    const id = guidOf(wire.name ?? wire.id ?? '', '/name');
    const { fields, where } = fieldsOf(wire, id, 'active');
    const createdOn = optionalTime(wire.createdOn, '/createdOn');
    const updatedOn = optionalTime(wire.updatedOn, '/updatedOn');
    return { key: id, where, fields, createdOn, updatedOn, isInstance: false, endsOn: undefined };
  },
  plan,
);

/** Schedule instances of PIM: roles that are held for a time, or that can be activated. */
function scheduleInstances(state: Fields['assignment_state']) {
  return defineKind(
    ScheduleInstance,
    (wire, { now }): AssignmentDraft | undefined => {
      const startsOn = optionalTime(wire.startDateTime, '/startDateTime');
      // Through a group: the group's own instance says it. Not provisioned, or not begun: nobody holds it.
      if (wire.memberType?.toLowerCase() === 'group') return undefined;
      if (wire.status !== undefined && wire.status.toLowerCase() !== 'provisioned') return undefined;
      if (startsOn !== undefined && startsOn > now) return undefined;
      const name = guidOf(wire.name ?? wire.id ?? '', '/name');
      const origin = state === 'active' ? wire.originRoleAssignmentId : undefined;
      const id = origin ? guidOf(origin, '/originRoleAssignmentId') : name;
      const { fields, where } = fieldsOf(wire, id, state);
      const createdOn = startsOn ?? optionalTime(wire.createdOn, '/createdOn');
      const endsOn = optionalTime(wire.endDateTime, '/endDateTime') ?? null;
      return { key: name, where, fields, createdOn, updatedOn: createdOn, isInstance: state === 'active', endsOn };
    },
    plan,
  );
}

/** `roleAssignmentScheduleInstances`. */
export const activeInstances = scheduleInstances('active');
/** `roleEligibilityScheduleInstances`. */
export const eligibleInstances = scheduleInstances('eligible');

const tupleOf = (customerId: string, fields: Fields) =>
  [customerId, fields.scope_key, fields.role_definition_id, fields.principal_id, fields.assignment_state].join(' ');

/** When the last of several instances of one assignment ends; null: one never does. */
function lastEnds(rows: readonly Located<AssignmentDraft>[]): Map<string, Date | null> {
  const ends = new Map<string, Date | null>();
  for (const { draft, customerId } of rows) {
    if (draft.endsOn === undefined) continue;
    const tuple = tupleOf(customerId, draft.fields);
    const other = ends.get(tuple);
    const last = other === undefined || (other !== null && (draft.endsOn === null || draft.endsOn > other));
    if (last) ends.set(tuple, draft.endsOn);
  }
  return ends;
}

async function plan(
  ...[db, { partnerId, now }, rows]: Parameters<
    Parameters<typeof defineKind<typeof RoleAssignment, AssignmentDraft>>[2]
  >
): Promise<Plan> {
  const [byId, byTuple] = await Promise.all([
    findRows(
      db,
      'role_assignments',
      partnerId,
      rows.map(({ draft, customerId }) => ({
        customer_id: customerId,
        role_assignment_id: draft.fields.role_assignment_id,
      })),
    ),
    findRows(
      db,
      'role_assignments',
      partnerId,
      rows.map(({ draft, customerId }) => ({ ...draft.fields, customer_id: customerId })),
      TUPLE,
    ),
  ]);
  const known = indexRows(byId, 'customer_id', 'role_assignment_id');
  const same = indexRows(byTuple, ...TUPLE);
  const ends = lastEnds(rows);
  const seen = new Map<string, AssignmentDraft>();
  return rows.map(({ draft, customerId }) => {
    const tuple = tupleOf(customerId, draft.fields);
    const earlier = seen.get(tuple);
    if (earlier) {
      if (draft.endsOn !== undefined) return undefined;
      return new RowRefused('', `It assigns the same role to the same principal and scope as ${earlier.key} does.`);
    }
    seen.set(tuple, draft);
    const twin = same.get(tuple);
    const endsOn = draft.endsOn === undefined ? undefined : ends.get(tuple);
    if (draft.isInstance && twin) {
      return assignmentChange(twin, { ...twin, ends_on: endsOn ?? null }, customerId);
    }
    const before = known.get(`${customerId} ${draft.fields.role_assignment_id}`);
    const createdOn = draft.createdOn ?? before?.created_on ?? now;
    const change = assignmentChange(
      before,
      {
        ...draft.fields,
        partner_id: partnerId,
        customer_id: customerId,
        ends_on: endsOn === undefined ? (before?.ends_on ?? null) : endsOn,
        created_on: createdOn,
        updated_on: draft.updatedOn ?? before?.updated_on ?? createdOn,
      },
      customerId,
    );
    if (!change || !twin || twin.role_assignment_id === draft.fields.role_assignment_id) return change;
    // It was removed and granted anew under another name.
    return { ...change, deletes: [{ table: 'role_assignments', row: { ...twin } }] };
  });
}

function assignmentChange(
  before: Row<'role_assignments'> | undefined,
  after: Row<'role_assignments'>,
  customerId: string,
): Change | undefined {
  return rowChange({
    table: 'role_assignments',
    before,
    after,
    customerId,
    entry: {
      operationType: before ? 'update_role_assignment' : 'create_role_assignment',
      resourceType: 'role_assignment',
      resourceId: after.role_assignment_id,
    },
  });
}
