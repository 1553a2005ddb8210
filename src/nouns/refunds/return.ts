import type { CommitWith, Tx } from '../../db/connect.js';
import { toDecimal } from '../../lib/money.js';
import type { Act } from '../../plugins/idempotency/plugin.js';
import { appendEntries, type NewEntry } from '../activity-log/append.js';
import type { LogRow } from '../activity-log/queries.js';
import type { Locked, OrderRows } from '../reservations/change.js';
import type { ReservationRow } from '../reservations/queries.js';
import { toReservation } from '../reservations/wire.js';
import { appraiseReturn, type Promised, refusalOf } from './appraise-return.js';
import { giveBack, givenBackData, refundRow, type Units, writeGivenBack } from './given-back.js';
import type { LimitUse } from './judge-return.js';
import { insertRefunds } from './queries.js';
import type { Refund } from './refund.js';
import type { RefundFee } from './rules.js';

export interface WantedReturn extends Units {
  reason: string | null;
  /** Absent: it is priced now. */
  promised?: Promised;
}

export interface Returned {
  refund: Refund;
  limitUse: LimitUse;
  state: OrderRows;
  reservation: ReservationRow;
  entries: LogRow[];
}

/**
 * Returns units of a reservation and logs it, in a transaction that has locked the customer: the whole one is cancelled
 * with its payments to come, of a part the rest lives on with a schedule of its own. An order of which nothing lives any
 * more is cancelled too.
 * @throws ApiError ReservationOrderNotFound, ReservationNotFound, ReturnRefused, NotInThisState, RefundSessionOutdated
 */
export async function returnReservation(
  tx: Tx,
  act: Act,
  commitWith: CommitWith,
  fees: readonly RefundFee[],
  locked: Locked,
  wanted: WantedReturn,
): Promise<Returned> {
  const { customer, now } = locked;
  const { promised, reason } = wanted;
  const appraisal = await appraiseReturn(tx, fees, locked, wanted, promised);
  const { refund, limitUse, reasons } = appraisal;
  if (reasons.length > 0 || !refund) throw refusalOf('ReturnRefused', reasons);
  const { state, reservation } = giveBack(appraisal.state, appraisal.reservation, refund, now);
  const takenMinor = limitUse.takenMinor ?? 0;
  const row = refundRow(act, locked, { kind: 'return', reservation, refund, takenMinor, reason });
  commitWith(insertRefunds(tx, [promised ? { ...row, refund_id: promised.sessionId } : row]));
  const ended = await writeGivenBack(tx, act, commitWith, state, [reservation]);
  const entries: NewEntry[] = [
    {
      operationType: 'return_reservation',
      resourceType: 'reservation',
      resourceId: reservation.reservation_id,
      oldValue: toReservation(appraisal.state.order, appraisal.reservation, now),
      newValue: toReservation(state.order, reservation, now),
      customizedData: [
        ...givenBackData(state.order, refund),
        {
          key: 'LimitTaken',
          value: `${toDecimal(takenMinor, limitUse.limit.currencyCode)} ${limitUse.limit.currencyCode}`,
        },
        { key: 'ReturnReason', value: reason },
      ],
    },
    ...ended,
  ];
  return {
    refund,
    limitUse,
    state,
    reservation,
    entries: appendEntries(tx, act, customer, now, entries, commitWith),
  };
}
