import type { Address } from '../../db/tables.js';
import { ApiError } from '../../errors/api-error.js';

const codes = (text: string): ReadonlySet<string> => new Set(text.split(' '));

/**
 * Countries whose addresses need a state (https://learn.microsoft.com/partner-center/developer/utility-resources); null:
 * the codes are not published, one or two characters are accepted.
 */
const STATES: ReadonlyMap<string, ReadonlySet<string> | null> = new Map([
  [
    'US',
    codes(
      'AA AE AK AL AP AR AS AZ CA CO CT DC DE FL FM GA GU HI IA ID IL IN KS KY LA MA MD ME MH MI MN MO MP MS MT NC ND NE NH NJ NM NV NY OH OK OR PA PR PW RI SC SD TN TX UT VA VI VT WA WI WV WY',
    ),
  ],
  ['CA', codes('AB BC MB NB NL NS NT NU ON PE QC SK YT')],
  ['CN', null],
  ['MX', null],
]);

/**
 * Countries that need, and alone accept, an organization registration number, and need a billing phone number
 * (https://learn.microsoft.com/partner-center/developer/customer-resources).
 */
const REGISTRATION = codes('AM AZ BY HU KZ KG MD RU TJ UZ UA IN BR ZA PL AE SA TR TH VN MM IQ SS VE');
/** No format is published; every national number known is one of these. */
const REGISTRATION_NUMBER = /^[A-Za-z0-9][A-Za-z0-9 ./-]{3,29}$/;

/** @throws ApiError when the country's rules are not kept: InvalidProperty for the state, PhoneNumberMissing */
export function assertBillingAddress(address: Address): void {
  const country = address.country.toUpperCase();
  const states = STATES.get(country);
  const state = address.state?.toUpperCase() ?? '';
  if (states !== undefined && !(states === null ? /^.{1,2}$/.test(state) : states.has(state))) {
    throw new ApiError('InvalidProperty', {
      data: [`body/billingProfile/defaultAddress/state has to be a state of ${country}, as its two-letter code`],
    });
  }
  if (REGISTRATION.has(country) && !/\d/.test(address.phoneNumber ?? '')) throw new ApiError('PhoneNumberMissing');
}

/** @throws ApiError RegistrationNumberUnsupported, RegistrationNumberMissing, RegistrationNumberInvalid */
export function assertRegistrationNumber(country: string, registrationNumber: string | undefined): void {
  if (!REGISTRATION.has(country.toUpperCase())) {
    if (registrationNumber) throw new ApiError('RegistrationNumberUnsupported');
    return;
  }
  if (!registrationNumber) throw new ApiError('RegistrationNumberMissing');
  if (!REGISTRATION_NUMBER.test(registrationNumber)) throw new ApiError('RegistrationNumberInvalid');
}
