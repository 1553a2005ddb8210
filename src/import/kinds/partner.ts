import { Type } from 'typebox';
import { type Change, defineKind, EVERY_CUSTOMER, type Located, type Plan, type Row, RowRefused } from '../kind.js';
import { findPartner } from '../queries.js';
import { Address, Guid, lower, OptionalText, Text } from '../wire.js';

/** A change of the partner's own row. The log is a log of customers: it has no entry of it. */
export function partnerChange(before: Row<'partners'> | undefined, after: Row<'partners'>): Change | undefined {
  const names = Object.keys(after) as (keyof Row<'partners'>)[];
  if (before && names.every((name) => name === 'created_on' || before[name] === after[name])) return undefined;
  // Whose domain a user is at home in decides whether it is of the partner.
  const touches = before && before.domain !== after.domain ? [EVERY_CUSTOMER] : [];
  return { created: !before, touches, upserts: [{ table: 'partners', row: { ...after } }], deletes: [], entries: [] };
}

interface OrganizationDraft {
  key: string;
  companyName: string;
  domain: string;
  country: string | null;
}

/** `GET /v1/profiles/organization`: makes the partner. */
export const organization = defineKind(
  Type.Object({
    id: OptionalText,
    tenantId: Type.Optional(Guid),
    companyName: Text,
    domain: Text,
    defaultAddress: Type.Optional(Address),
  }),
  (wire, { partnerId }): OrganizationDraft => {
    if (lower(wire.tenantId ?? wire.id ?? '') !== partnerId) {
      throw new RowRefused('/tenantId', `It is not the partner ${partnerId} that is imported for.`);
    }
    return {
      key: partnerId,
      companyName: wire.companyName,
      domain: wire.domain.toLowerCase(),
      country: wire.defaultAddress?.country.toUpperCase() ?? null,
    };
  },
  async (db, { partnerId, now }, rows): Promise<Plan> => {
    const before = await findPartner(db, partnerId);
    return rows.map(({ draft }: Located<OrganizationDraft>) =>
      partnerChange(before, {
        partner_id: partnerId,
        mpn_id: before?.mpn_id ?? null,
        admin_agents_group_id: before?.admin_agents_group_id ?? null,
        created_on: before?.created_on ?? now,
        company_name: draft.companyName,
        domain: draft.domain,
        country: draft.country ?? before?.country ?? null,
      }),
    );
  },
);

/** `GET /v1/profiles/mpn`: the partner's number in the partner network. */
export const mpn = defineKind(
  Type.Object({ mpnId: Text }),
  (wire, { partnerId }) => ({ key: partnerId, mpnId: wire.mpnId }),
  async (db, { partnerId }, rows): Promise<Plan> => {
    const before = await findPartner(db, partnerId);
    return rows.map(({ draft }) =>
      before
        ? partnerChange(before, { ...before, mpn_id: draft.mpnId })
        : new RowRefused('', `The partner ${partnerId} is not known: import its organization profile first.`),
    );
  },
);
