import { type TSchema, Type } from 'typebox';
import { ApiError } from '../../errors/api-error.js';
import { ApiVersion } from '../../http/api-version.js';
import { shown } from '../../http/shown.js';
import { isUuid } from '../../lib/uuid.js';
import { ArmQuery } from '../role-assignments/scope-shapes.js';

export const TAGS = ['Reservations'];
export const ORDERS = '/providers/Microsoft.Capacity/reservationOrders';
export const ONE_ORDER = `${ORDERS}/:reservationOrderId`;
export const ONE_RESERVATION = `${ONE_ORDER}/reservations/:reservationId`;

const orderId = { reservationOrderId: Type.String({ description: 'GUID', maxLength: 100 }) };
export const OrderParams = Type.Object(orderId);
export const ReservationParams = Type.Object({
  ...orderId,
  reservationId: Type.String({ description: 'GUID', maxLength: 100 }),
});
export const VersionQuery = Type.Object(ApiVersion);
export const IfMatch = Type.Object({
  'if-match': Type.Optional(
    Type.String({ description: 'The `etag` as read last, bare or in quotes; a stale one is 412.' }),
  ),
});
export const SkipToken = { $skipToken: Type.Optional(Type.String({ description: 'From `nextLink`.' })) };

/** The query of a list: pages, and for partners the customer. */
export function listQuery<T extends Record<string, TSchema>>(more: T) {
  return Type.Object({ ...ArmQuery, ...more });
}

/** @throws ApiError InvalidInput, ARM code InvalidReservationOrderId */
export function readOrderId(text: string): string {
  if (isUuid(text)) return text.toLowerCase();
  throw new ApiError('InvalidInput', {
    armCode: 'InvalidReservationOrderId',
    description: `The reservation order id ${shown(text)} is not valid. It has to be a GUID.`,
  });
}

/** @throws ApiError InvalidInput, ARM codes InvalidReservationOrderId and InvalidReservationId */
export function readIds(params: { reservationOrderId: string; reservationId: string }) {
  const { reservationId } = params;
  const reservationOrderId = readOrderId(params.reservationOrderId);
  if (isUuid(reservationId)) return { reservationOrderId, reservationId: reservationId.toLowerCase() };
  throw new ApiError('InvalidInput', {
    armCode: 'InvalidReservationId',
    description: `The reservation id ${shown(reservationId)} is not valid. It has to be a GUID.`,
  });
}

const RESERVATION = /^\/providers\/microsoft\.capacity\/reservationOrders\/([^/]+)\/reservations\/([^/]+)\/?$/i;

/**
 * Reads the resource id of a reservation.
 * @param reservationOrderId of the address, for which the GUID of the reservation alone will do
 * @throws ApiError InvalidInput, ARM code InvalidReservationId; ReservationNotFound for one of another order than that of
 *   the address
 */
export function readReservationPath(text: string, reservationOrderId?: string) {
  const [, order = reservationOrderId ?? '', reservation = text] = RESERVATION.exec(text) ?? [];
  if (!isUuid(order) || !isUuid(reservation)) {
    throw new ApiError('InvalidInput', {
      armCode: 'InvalidReservationId',
      description: `${shown(text)} is not the id of a reservation. It has to be /providers/Microsoft.Capacity/reservationOrders/{order}/reservations/{reservation}.`,
    });
  }
  const ids = { reservationOrderId: order.toLowerCase(), reservationId: reservation.toLowerCase() };
  if (ids.reservationOrderId !== (reservationOrderId ?? ids.reservationOrderId)) {
    throw new ApiError('ReservationNotFound');
  }
  return ids;
}
