import { type ExpressionBuilder, type Insertable, type Selectable, type SqlBool, sql } from 'kysely';
import { compileEach } from '../../db/compile-once.js';
import type { Reading, Tx } from '../../db/connect.js';
import type { Database, RoleAssignmentsTable } from '../../db/tables.js';
import type { Coverage } from './scopes.js';

export type RoleAssignmentRow = Selectable<RoleAssignmentsTable>;

/** `= any`, not `in`: one statement text, and so one plan, for any number of ids. */
export function anyOf(column: string, ids: readonly string[]) {
  return sql<SqlBool>`${sql.ref(column)} = any(${[...ids]}::uuid[])`;
}

function anyText(column: string, texts: readonly string[]) {
  return sql<SqlBool>`${sql.ref(column)} = any(${[...texts]}::text[])`;
}

/** Held now, as far as the row says: not only to be activated, and not ended. */
function inForce(now: Date) {
  return (eb: ExpressionBuilder<Database, 'role_assignments'>) =>
    eb.and([eb('assignment_state', '=', 'active'), eb.or([eb('ends_on', 'is', null), eb('ends_on', '>', now)])]);
}

export interface RoleAssignmentQuery {
  coverage: Coverage;
  /** Only those in force then; absent: also those to be activated and those that have ended. */
  inForceAt?: Date;
  /** Of these principals only. */
  principalIds?: readonly string[];
  /** Name of the last one on the page before. */
  after?: string;
  limit: number;
}

/** Lists of keys are JSON: of callers that ask together each has its own, and an array of arrays would be one long array. */
const selectRoleAssignments = compileEach(
  (
    db,
    $: {
      partnerId: string;
      customerId: string;
      keys: string;
      azureSubscriptionIds: string;
      below: string;
      belowEnd: string;
      inForceAt: Date;
      principalIds: readonly string[];
      after: string;
      limit: number;
    },
    shape: { covers: 'everything' | 'below' | 'named'; inForce: boolean; ofPrincipals: boolean; continued: boolean },
  ) => {
    let query = db
      .selectFrom('role_assignments')
      .selectAll()
      .where('partner_id', '=', $.partnerId)
      .where('customer_id', '=', $.customerId);
    if (shape.covers !== 'everything') {
      query = query.where(({ eb, or, and }) =>
        or([
          sql<SqlBool>`scope_key = any(array(select jsonb_array_elements_text(${$.keys}::jsonb)))`,
          sql<SqlBool>`azure_subscription_id = any(array(select jsonb_array_elements_text(${$.azureSubscriptionIds}::jsonb)::uuid))`,
          ...(shape.covers === 'below' ? [and([eb('scope_key', '>', $.below), eb('scope_key', '<', $.belowEnd)])] : []),
        ]),
      );
    }
    if (shape.inForce) query = query.where(inForce($.inForceAt));
    if (shape.ofPrincipals) query = query.where(sql<SqlBool>`principal_id = any(${$.principalIds}::uuid[])`);
    if (shape.continued) query = query.where('role_assignment_id', '>', $.after);
    return query.orderBy('role_assignment_id').limit($.limit);
  },
  { customerId: 'uuid', keys: 'text', azureSubscriptionIds: 'text', inForceAt: 'timestamptz' },
);

export async function listRoleAssignmentRows(
  db: Reading,
  partnerId: string,
  customerId: string,
  query: RoleAssignmentQuery,
): Promise<RoleAssignmentRow[]> {
  const { coverage, inForceAt, principalIds, after, limit } = query;
  const { keys, azureSubscriptionIds, below, everything = false } = coverage;
  const reach = below === undefined ? 'named' : 'below';
  return selectRoleAssignments(
    db,
    {
      covers: everything ? 'everything' : reach,
      inForce: inForceAt !== undefined,
      ofPrincipals: principalIds !== undefined,
      continued: after !== undefined,
    },
    {
      partnerId,
      customerId,
      keys: JSON.stringify(keys),
      azureSubscriptionIds: JSON.stringify(azureSubscriptionIds),
      // The column sorts by bytes, and 0 follows the slash: everything below, without a pattern to escape.
      below: `${below}/`,
      belowEnd: `${below}0`,
      inForceAt: inForceAt ?? new Date(0),
      principalIds: principalIds ?? [],
      after: after ?? '',
      limit,
    },
  );
}

export async function findRoleAssignment(
  db: Reading,
  partnerId: string,
  customerId: string,
  name: string,
): Promise<RoleAssignmentRow | undefined> {
  return db
    .selectFrom('role_assignments')
    .selectAll()
    .where('partner_id', '=', partnerId)
    .where('customer_id', '=', customerId)
    .where('role_assignment_id', '=', name)
    .executeTakeFirst();
}

/** The one that holds the same scope, role and principal now. */
export async function findSameGrant(
  tx: Tx,
  row: Pick<RoleAssignmentRow, 'partner_id' | 'customer_id' | 'scope_key' | 'role_definition_id' | 'principal_id'>,
): Promise<string | undefined> {
  const found = await tx
    .selectFrom('role_assignments')
    .select('role_assignment_id')
    .where('partner_id', '=', row.partner_id)
    .where('customer_id', '=', row.customer_id)
    .where('scope_key', '=', row.scope_key)
    .where('role_definition_id', '=', row.role_definition_id)
    .where('principal_id', '=', row.principal_id)
    .where('assignment_state', '=', 'active')
    .executeTakeFirst();
  return found?.role_assignment_id;
}

/** Whether the Azure subscription and what is in it hold that many assignments in force. */
export async function hasAtLeast(
  tx: Tx,
  partnerId: string,
  customerId: string,
  azureSubscriptionId: string,
  limit: number,
  now: Date,
): Promise<boolean> {
  const rows = await tx
    .selectFrom('role_assignments')
    .select('role_assignment_id')
    .where('partner_id', '=', partnerId)
    .where('customer_id', '=', customerId)
    .where('azure_subscription_id', '=', azureSubscriptionId)
    .where(inForce(now))
    .limit(limit)
    .execute();
  return rows.length === limit;
}

/** Another assignment of the role in force at one of the scopes. */
export async function findOtherHolder(
  tx: Tx,
  row: RoleAssignmentRow,
  scopeKeys: readonly string[],
  now: Date,
): Promise<string | undefined> {
  const found = await tx
    .selectFrom('role_assignments')
    .select('role_assignment_id')
    .where('partner_id', '=', row.partner_id)
    .where('customer_id', '=', row.customer_id)
    .where('role_definition_id', '=', row.role_definition_id)
    .where('role_assignment_id', '<>', row.role_assignment_id)
    .where(anyText('scope_key', scopeKeys))
    .where(inForce(now))
    .limit(1)
    .executeTakeFirst();
  return found?.role_assignment_id;
}

/** @returns whether it was inserted; not when the name or the grant is taken */
export async function insertRoleAssignment(tx: Tx, row: Insertable<RoleAssignmentsTable>): Promise<boolean> {
  const inserted = await tx
    .insertInto('role_assignments')
    .values(row)
    .onConflict((conflict) => conflict.doNothing())
    .returning('role_assignment_id')
    .execute();
  return inserted.length > 0;
}

export async function updateRoleAssignment(tx: Tx, row: RoleAssignmentRow): Promise<void> {
  const { partner_id, customer_id, role_assignment_id, ...rest } = row;
  await tx
    .updateTable('role_assignments')
    .set({
      condition: rest.condition,
      condition_version: rest.condition_version,
      description: rest.description,
      updated_on: rest.updated_on,
      updated_by: rest.updated_by,
    })
    .where('partner_id', '=', partner_id)
    .where('customer_id', '=', customer_id)
    .where('role_assignment_id', '=', role_assignment_id)
    .execute();
}

export async function deleteRoleAssignment(tx: Tx, row: RoleAssignmentRow): Promise<void> {
  await tx
    .deleteFrom('role_assignments')
    .where('partner_id', '=', row.partner_id)
    .where('customer_id', '=', row.customer_id)
    .where('role_assignment_id', '=', row.role_assignment_id)
    .execute();
}

/** Makes room for a grant: an assignment that ended by itself still holds its name, and its place in the unique index. */
export async function deleteEndedRoleAssignments(tx: Tx, row: RoleAssignmentRow, now: Date): Promise<void> {
  await tx
    .deleteFrom('role_assignments')
    .where('partner_id', '=', row.partner_id)
    .where('customer_id', '=', row.customer_id)
    .where('ends_on', '<=', now)
    .where((eb) =>
      eb.or([
        eb('role_assignment_id', '=', row.role_assignment_id),
        eb.and([
          eb('scope_key', '=', row.scope_key),
          eb('role_definition_id', '=', row.role_definition_id),
          eb('principal_id', '=', row.principal_id),
        ]),
      ]),
    )
    .execute();
}
