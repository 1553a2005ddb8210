import type { CommitWith, Tx } from '../../db/connect.js';
import { type LockedCustomer, lockCustomer } from '../../db/customer-lock.js';
import { ApiError } from '../../errors/api-error.js';
import { type Act, nameOf } from '../../plugins/idempotency/plugin.js';
import { appendEntries } from '../activity-log/append.js';
import type { RefundFee } from '../refunds/rules.js';
import { performChange } from './perform-change.js';
import { type ChangeRequestRow, findChangeRequest, updateChangeRequest } from './queries.js';
import type { ChangeRequest } from './schemas.js';
import { type Decision, toChangeRequest } from './view.js';

export interface ChangeRequestKey {
  customerId: string;
  changeRequestId: string;
}

interface OpenRequest {
  customer: LockedCustomer;
  now: Date;
  row: ChangeRequestRow;
}

/** @throws ApiError CustomerNotFound, ChangeRequestNotFound, ChangeRequestDecided */
async function lockOpenRequest(tx: Tx, act: Act, key: ChangeRequestKey): Promise<OpenRequest> {
  const { customerId, changeRequestId } = key;
  const [{ customer, now }, row] = await Promise.all([
    lockCustomer(tx, act.partnerId, customerId),
    findChangeRequest(tx, act.partnerId, customerId, changeRequestId),
  ]);
  if (!customer) throw new ApiError('CustomerNotFound');
  if (!row) throw new ApiError('ChangeRequestNotFound');
  if (row.status !== 'open') {
    throw new ApiError('ChangeRequestDecided', {
      description: `The change request was ${row.status} by ${row.decided_by} on ${row.decided_on?.toISOString()}. Have another one filed where that is to be changed.`,
    });
  }
  return { customer, now, row };
}

function close(
  tx: Tx,
  act: Act,
  commitWith: CommitWith,
  { customer, now, row }: OpenRequest,
  status: 'approved' | 'declined',
  decision: Decision,
): ChangeRequest {
  const decided: ChangeRequestRow = {
    ...row,
    status,
    outcome: decision,
    decided_on: now,
    decided_by: nameOf(act.actor),
    version: row.version + 1,
  };
  commitWith(updateChangeRequest(tx, decided));
  const after = toChangeRequest(decided);
  appendEntries(
    tx,
    act,
    customer,
    now,
    [
      {
        operationType: 'update_change_request',
        resourceType: 'change_request',
        resourceId: row.change_request_id,
        oldValue: toChangeRequest(row),
        newValue: after,
      },
    ],
    commitWith,
  );
  return after;
}

/** @throws ApiError CustomerNotFound, ChangeRequestNotFound, ChangeRequestDecided */
export async function declineChangeRequest(
  tx: Tx,
  act: Act,
  commitWith: CommitWith,
  key: ChangeRequestKey,
  decision: Decision,
): Promise<ChangeRequest> {
  return close(tx, act, commitWith, await lockOpenRequest(tx, act, key), 'declined', decision);
}

/**
 * Performs what was asked for and closes the request, or neither.
 * @throws ApiError CustomerNotFound, ChangeRequestNotFound, ChangeRequestDecided; what the operation is refused with
 */
export async function approveChangeRequest(
  tx: Tx,
  act: Act,
  commitWith: CommitWith,
  fees: readonly RefundFee[],
  key: ChangeRequestKey,
  decision: Decision,
): Promise<ChangeRequest> {
  const open = await lockOpenRequest(tx, act, key);
  const performed = await performChange(tx, act, commitWith, fees, open, open.row);
  return close(tx, act, commitWith, open, 'approved', { ...decision, ...performed });
}
