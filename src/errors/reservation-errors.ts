import { entry } from './entry.js';

/** Refusals of quotes, purchases, reservations, refunds, exchanges, guards and change requests. */
export const reservationErrors = {
  QuoteExpired: entry(
    400,
    '990302',
    'BadRequest',
    'Session timed out - Call CalculatePrice again and provide the new Reservation Order ID for purchase.',
  ),
  PriceNotFound: entry(
    400,
    '990303',
    'CalculatePriceFailed',
    'There is no price for this SKU, location and term. Choose one that the catalogue lists.',
  ),
  PurchaseRefused: entry(403, '990304', 'Forbidden', 'The purchase is not allowed. details[] says why and what to do.'),
  PartnerOnly: entry(
    403,
    '990305',
    'Forbidden',
    'Reservations bought under a subscription of a partner are exchanged, cancelled, renewed and rescoped by the partner. Ask the partner, or file a change request.',
  ),
  ReservationOrderNotFound: entry(
    404,
    '990306',
    'ReservationOrderNotFound',
    'There is no such reservation order. Check its id.',
  ),
  ReservationNotFound: entry(
    404,
    '990307',
    'ReservationIdNotInReservationOrder',
    'There is no such reservation in this reservation order. Check its id.',
  ),
  ReservationOrderIdAlreadyExists: entry(
    409,
    '990308',
    'ReservationOrderIdAlreadyExists',
    'Another purchase was made under this reservation order id. Call CalculatePrice again for a new one.',
  ),
  NotInThisState: entry(
    409,
    '990309',
    'OperationCannotBePerformedInCurrentState',
    'The reservation is in a state in which this cannot be done.',
  ),
  ChangeDirectoryNotSupported: entry(
    400,
    '990401',
    'NonsupportedAccountId',
    'A reservation that is billed through a partner cannot move to another tenant. Ask the partner to return it and buy it there.',
  ),
  ChangeRequestNotFound: entry(
    404,
    '990701',
    'NotFound',
    'There is no such change request of this customer. Check its id.',
  ),
  ChangeRequestExists: entry(
    409,
    '990702',
    'Conflict',
    'A change request of this kind is open for the reservation. Wait until the partner has decided on it.',
  ),
  ChangeRequestDecided: entry(
    409,
    '990703',
    'Conflict',
    'The change request has been decided. Have another one filed where the decision is to be changed.',
  ),
  RefundSessionExpired: entry(
    400,
    '990501',
    'BadRequest',
    'Session timed out - Call CalculateRefund or CalculateExchange again and send the new session id.',
  ),
  RefundSessionMismatch: entry(
    400,
    '990502',
    'BadRequest',
    'The session was made for another reservation or quantity. Send what CalculateRefund was asked for.',
  ),
  ReturnRefused: entry(
    400,
    '990503',
    'OperationFailed',
    'The reservation cannot be returned. details[] says why and what to do.',
  ),
  ExchangeRefused: entry(
    400,
    '990504',
    'OperationFailed',
    'The reservations cannot be exchanged. details[] says why and what to do.',
  ),
  RefundSessionOutdated: entry(
    409,
    '990505',
    'OperationCannotBePerformedInCurrentState',
    'The reservation order has changed since the amounts were calculated. Calculate them again.',
  ),
} as const;
