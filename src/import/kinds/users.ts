import { type Static, Type } from 'typebox';
import { textEnum } from '../../http/schemas.js';
import { classifyUser } from '../../nouns/customers/user-kind.js';
import { indexRows, rowChange } from '../change.js';
import { defineKind, type Located, type Plan, type Row, RowRefused } from '../kind.js';
import { findRows } from '../queries.js';
import { customerInLink, Guid, lower, OptionalLinks, OptionalText, Text, Time, timeOf } from '../wire.js';

/** Partner Center's CustomerUser and Graph's user in one: `state` or `accountEnabled`, and Graph's `userType`. */
const UserResource = Type.Object({
  id: Guid,
  userPrincipalName: Text,
  displayName: OptionalText,
  firstName: OptionalText,
  lastName: OptionalText,
  givenName: OptionalText,
  surname: OptionalText,
  usageLocation: OptionalText,
  immutableId: OptionalText,
  onPremisesImmutableId: OptionalText,
  phoneNumber: OptionalText,
  userDomainType: Type.Optional(textEnum(['none', 'managed', 'federated'])),
  userType: Type.Optional(textEnum(['Member', 'Guest'])),
  state: Type.Optional(textEnum(['active', 'inactive'])),
  accountEnabled: Type.Optional(Type.Boolean()),
  softDeletionTime: Type.Optional(Time),
  deletedDateTime: Type.Optional(Time),
  links: OptionalLinks,
});

interface UserDraft {
  key: string;
  where: { customerId: string | undefined };
  wire: Static<typeof UserResource>;
  deletedOn: Date | null;
}

function rowOf(
  { draft, customerId }: Located<UserDraft>,
  before: Row<'users'> | undefined,
  partnerId: string,
  now: Date,
): Row<'users'> {
  const { wire } = draft;
  const directoryType = wire.userType === undefined ? undefined : wire.userType === 'Guest' ? 'guest' : 'member';
  // Partner Center does not tell the type: one that the directory told stays.
  const { userType, homeDomain } = classifyUser(wire.userPrincipalName, directoryType ?? before?.user_type);
  // Partner Center's `active` says that the user is not deleted; whether the account is enabled only the directory tells.
  const enabled = wire.accountEnabled ?? (wire.state === 'inactive' ? false : undefined);
  const state = enabled === undefined ? undefined : enabled ? 'active' : 'inactive';
  return {
    partner_id: partnerId,
    customer_id: customerId,
    user_id: draft.key,
    user_principal_name: wire.userPrincipalName,
    upn_key: wire.userPrincipalName.toLowerCase(),
    display_name: wire.displayName ?? before?.display_name ?? wire.userPrincipalName,
    first_name: wire.firstName ?? wire.givenName ?? before?.first_name ?? null,
    last_name: wire.lastName ?? wire.surname ?? before?.last_name ?? null,
    usage_location: wire.usageLocation ?? before?.usage_location ?? null,
    immutable_id: wire.immutableId ?? wire.onPremisesImmutableId ?? before?.immutable_id ?? null,
    phone_number: wire.phoneNumber ?? before?.phone_number ?? null,
    user_domain_type: wire.userDomainType ?? before?.user_domain_type ?? 'none',
    user_type: userType,
    account_state: state ?? before?.account_state ?? 'active',
    home_domain: homeDomain,
    version: before?.version ?? 1,
    created_on: before?.created_on ?? now,
    deleted_on: draft.deletedOn,
  };
}

/** `GET /v1/customers/{id}/users`, Graph's `/users` and `az ad user list`. */
export const users = defineKind(
  UserResource,
  (wire): UserDraft => {
    const deleted = wire.softDeletionTime ?? wire.deletedDateTime;
    const pointer = wire.softDeletionTime === undefined ? '/deletedDateTime' : '/softDeletionTime';
    return {
      key: lower(wire.id),
      where: { customerId: customerInLink(wire) },
      wire,
      deletedOn: deleted === undefined ? null : timeOf(deleted, pointer),
    };
  },
  async (db, { partnerId, now }, rows): Promise<Plan> => {
    const [found, namesakes] = await Promise.all([
      findRows(
        db,
        'users',
        partnerId,
        rows.map(({ draft, customerId }) => ({ customer_id: customerId, user_id: draft.key })),
      ),
      findRows(
        db,
        'users',
        partnerId,
        rows.map(({ draft, customerId }) => ({
          customer_id: customerId,
          upn_key: draft.wire.userPrincipalName.toLowerCase(),
        })),
        ['customer_id', 'upn_key'],
        'live',
      ),
    ]);
    const known = indexRows(found, 'customer_id', 'user_id');
    const holders = indexRows(namesakes, 'customer_id', 'upn_key');
    return rows.map((row) => {
      const before = known.get(`${row.customerId} ${row.draft.key}`);
      const after = rowOf(row, before, partnerId, now);
      const name = `${row.customerId} ${after.upn_key}`;
      const holder = holders.get(name);
      if (after.deleted_on === null) {
        if (holder && holder.user_id !== after.user_id) {
          const reason = `The name is that of user ${holder.user_id} here: delete that user first.`;
          return new RowRefused('/userPrincipalName', reason);
        }
        holders.set(name, after);
      }
      return rowChange({
        table: 'users',
        before,
        after,
        customerId: row.customerId,
        entry: {
          operationType: before ? 'update_customer_user' : 'create_customer_user',
          resourceType: 'customer_user',
          resourceId: row.draft.key,
        },
      });
    });
  },
);
