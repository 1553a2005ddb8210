import { ApiError } from '../../errors/api-error.js';
import { readAppliedScope } from '../reservations/applied-scope.js';
import type { ChangeRequestCreate, Wish } from './schemas.js';

const MEMBERS = ['quantity', 'appliedScopeType', 'appliedScopeProperties', 'renew', 'purchase'] as const;
type Member = (typeof MEMBERS)[number];

const OF_KIND: Readonly<Record<ChangeRequestCreate['kind'], { needs: readonly Member[]; takes: readonly Member[] }>> = {
  cancel: { needs: [], takes: ['quantity'] },
  exchange: { needs: ['purchase'], takes: ['quantity', 'purchase'] },
  renew: { needs: ['renew'], takes: ['renew'] },
  scope: { needs: ['appliedScopeType'], takes: ['appliedScopeType', 'appliedScopeProperties'] },
};

/**
 * What is asked for, without the members that name kind and reservation.
 * @throws ApiError InvalidProperty for a member that is missing or belongs to another kind; InvalidInput for a scope that
 *   cannot be
 */
export function readWish(body: ChangeRequestCreate): Wish {
  const { needs, takes } = OF_KIND[body.kind];
  const faults = [
    ...needs
      .filter((name) => body[name] === undefined)
      .map((name) => `body/${name} is missing: kind ${body.kind} needs it.`),
    ...MEMBERS.filter((name) => body[name] !== undefined && !takes.includes(name)).map(
      (name) => `body/${name} does not belong to kind ${body.kind}. Leave it out.`,
    ),
  ];
  if (faults.length > 0) throw new ApiError('InvalidProperty', { data: faults });
  if (body.kind === 'scope') readAppliedScope(body);
  return Object.fromEntries(takes.flatMap((name) => (body[name] === undefined ? [] : [[name, body[name]]])));
}
