import { Type } from 'typebox';
import { indexRows, rowChange } from '../change.js';
import { type Change, defineKind, type Located, type Plan } from '../kind.js';
import { findPartner, findRows, listMembers } from '../queries.js';
import { Guid, lower, Text } from '../wire.js';
import { partnerChange } from './partner.js';

/** Groups of a partner's own tenant that Partner Center makes (partner-center/account-settings/permissions-overview). */
const AGENT_GROUPS = new Set(['adminagents', 'salesagents', 'helpdeskagents']);
const ADMIN_AGENTS = 'adminagents';

interface GroupDraft {
  key: string;
  where?: { customerId?: string };
  displayName: string;
  /** Undefined: the export does not tell. */
  memberIds: readonly string[] | undefined;
  /** There are members that the export leaves out. */
  isPart: boolean;
}

function groupChange(
  { draft, customerId }: Located<GroupDraft>,
  partnerId: string,
  displayName: string | undefined,
  members: ReadonlySet<string>,
): Change | undefined {
  const key = { partner_id: partnerId, customer_id: customerId, group_id: draft.key };
  const resource = { resourceType: 'customer_directory_role', resourceId: draft.key } as const;
  const row = rowChange({
    table: 'groups',
    before: displayName === undefined ? undefined : { ...key, display_name: displayName },
    after: { ...key, display_name: draft.displayName },
    customerId,
    entry: { operationType: 'add_user_member', ...resource },
  });
  const wanted = new Set(draft.memberIds ?? members);
  const added = [...wanted].filter((id) => !members.has(id));
  // Graph expands 20 members of a group: what is missing then was not removed.
  const removed = draft.isPart ? [] : [...members].filter((id) => !wanted.has(id));
  if (!row && added.length === 0 && removed.length === 0) return undefined;
  const writes = (ids: readonly string[]) =>
    ids.map((id) => ({ table: 'group_members' as const, row: { ...key, member_id: id } }));
  const entry = (operationType: 'add_user_member' | 'remove_user_member', ids: readonly string[]) =>
    ids.length === 0
      ? []
      : [{ customerId, entry: { operationType, ...resource, newValue: { displayName: draft.displayName, ids } } }];
  return {
    created: displayName === undefined,
    touches: [customerId],
    upserts: [...(row?.upserts ?? []), ...writes(added)],
    deletes: writes(removed),
    entries: [
      ...(added.length === 0 && removed.length === 0 ? (row?.entries ?? []) : []),
      ...entry('add_user_member', added),
      ...entry('remove_user_member', removed),
    ],
  };
}

/**
 * Graph's `/groups?$expand=members`, of a customer's tenant. One of the partner's own tenant tells which group its admin
 * agents are: AdminAgents, SalesAgents and HelpdeskAgents are the partner's unless the caller names a customer.
 */
export const groups = defineKind(
  Type.Object({
    id: Guid,
    displayName: Text,
    members: Type.Optional(Type.Array(Type.Object({ id: Guid }))),
    'members@odata.nextLink': Type.Optional(Type.String()),
  }),
  (wire, context): GroupDraft | undefined => {
    const draft = {
      key: lower(wire.id),
      displayName: wire.displayName,
      memberIds: wire.members?.map((member) => lower(member.id)),
      isPart: wire['members@odata.nextLink'] !== undefined,
    };
    const name = wire.displayName.toLowerCase();
    const isNamed = context.customerIsNamed && context.customerId !== context.partnerId;
    if (!isNamed && AGENT_GROUPS.has(name)) return name === ADMIN_AGENTS ? draft : undefined;
    if (context.customerId === context.partnerId) return undefined;
    return { ...draft, where: {} };
  },
  async (db, { partnerId }, rows): Promise<Plan> => {
    const keys = rows
      .filter(({ draft }) => draft.where)
      .map(({ draft, customerId }) => ({ customer_id: customerId, group_id: draft.key }));
    const [partner, found, members] = await Promise.all([
      findPartner(db, partnerId),
      findRows(db, 'groups', partnerId, keys),
      listMembers(db, partnerId, keys),
    ]);
    const known = indexRows(found, 'customer_id', 'group_id');
    const memberIds = new Map<string, Set<string>>();
    for (const row of members) {
      const key = `${row.customer_id} ${row.group_id}`;
      memberIds.set(key, (memberIds.get(key) ?? new Set()).add(row.member_id));
    }
    return rows.map((row) => {
      if (!row.draft.where) {
        return partner && partnerChange(partner, { ...partner, admin_agents_group_id: row.draft.key });
      }
      const key = `${row.customerId} ${row.draft.key}`;
      return groupChange(row, partnerId, known.get(key)?.display_name, memberIds.get(key) ?? new Set());
    });
  },
);
