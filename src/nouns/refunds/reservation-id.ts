import { ApiError } from '../../errors/api-error.js';
import { shown } from '../../http/shown.js';
import { isUuid } from '../../lib/uuid.js';

const RESERVATION = /^\/providers\/microsoft\.capacity\/reservationOrders\/([^/]+)\/reservations\/([^/]+)\/?$/i;

/**
 * Reads the resource id of a reservation, in any letter case.
 * @param reservationOrderId of the address: then the name of the reservation alone will do
 * @throws ApiError InvalidInput, ARM code InvalidReservationId
 */
export function readReservationId(
  text: string,
  reservationOrderId?: string,
): { reservationOrderId: string; reservationId: string } {
  const [, order = reservationOrderId ?? '', reservation = text] = RESERVATION.exec(text) ?? [];
  if (isUuid(order) && isUuid(reservation)) {
    return { reservationOrderId: order.toLowerCase(), reservationId: reservation.toLowerCase() };
  }
  throw new ApiError('InvalidInput', {
    armCode: 'InvalidReservationId',
    description: `${shown(text)} is not the id of a reservation. It is /providers/Microsoft.Capacity/reservationOrders/{id}/reservations/{id}.`,
  });
}
