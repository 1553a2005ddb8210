import type { Reason } from '../../errors/api-error.js';
import { toDecimal } from '../../lib/money.js';
import type { ReservationType } from '../products/reservation-types.js';
import type { ReservationRow } from '../reservations/queries.js';
import type { RefundLimit } from './rules.js';

type JudgedReservation = Pick<
  ReservationRow,
  'reservation_id' | 'provisioning_state' | 'expires_on' | 'quantity' | 'reserved_resource_type'
>;

/** Whether units of the reservation can be given back at all; shared by returns and exchanges. */
export function judgeQuantity(reservation: JudgedReservation, quantity: number, now: Date): Reason[] {
  const { reservation_id: id, provisioning_state: state } = reservation;
  const expired = reservation.expires_on <= now;
  if (state !== 'Succeeded' || expired) {
    return [
      {
        code: 'OperationCannotBePerformedInCurrentState',
        message: `Reservation ${id} is ${expired && state === 'Succeeded' ? 'Expired' : state}. Only one that is Succeeded can be returned or exchanged.`,
      },
    ];
  }
  if (quantity <= reservation.quantity) return [];
  return [
    {
      code: 'InvalidRefundQuantity',
      message: `Reservation ${id} has a quantity of ${reservation.quantity}, not ${quantity}. Return that many at the most.`,
    },
  ];
}

/** What a return takes of the limit, and what returns before it have taken. Minor units of the limit's currency. */
export interface LimitUse {
  limit: RefundLimit;
  consumedMinor: number;
  /** Undefined: it cannot be told, because a retail price is missing. */
  takenMinor: number | undefined;
}

/** Why a return is refused: every reason there is, each with what to do. */
export function judgeReturn(
  reservation: JudgedReservation,
  type: Pick<ReservationType, 'refundable' | 'title'> | undefined,
  quantity: number,
  { limit, consumedMinor, takenMinor }: LimitUse,
  now: Date,
): Reason[] {
  const reasons = judgeQuantity(reservation, quantity, now);
  if (type?.refundable !== true) {
    reasons.push({
      code: 'SelfServiceRefundNotSupported',
      message: `${type?.title ?? reservation.reserved_resource_type} cannot be returned. Keep it until it ends.`,
    });
  }
  if (reasons.length > 0) return reasons;
  const money = (minor: number) => `${toDecimal(minor, limit.currencyCode)} ${limit.currencyCode}`;
  if (takenMinor === undefined) {
    return [
      {
        code: 'CalculatePriceFailed',
        message: `What the return takes of the refund limit cannot be told in ${limit.currencyCode}. Import the retail price of this product in ${limit.currencyCode} and in the currency it was bought in.`,
      },
    ];
  }
  const left = Math.max(limit.maxMinor - consumedMinor, 0);
  if (takenMinor <= left) return [];
  return [
    {
      code: 'RefundLimitExceeded',
      message: `The return cancels a commitment of ${money(takenMinor)}; of the customer's limit of ${money(limit.maxMinor)} in ${limit.windowDays} days ${money(left)} is left. Return less, or wait until earlier returns no longer count.`,
    },
  ];
}
