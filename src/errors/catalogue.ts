interface CatalogueEntry {
  /** HTTP status. */
  readonly status: number;
  /**
   * `code` on the Partner Center face. Digits are documented ones
   * (https://learn.microsoft.com/partner-center/developer/error-codes); those from 990000 up are this service's own.
   */
  readonly code: string;
  /** `error.code` on the ARM face. */
  readonly armCode: string;
  /** The default sentence: what is wrong and what to do. */
  readonly description: string;
}

function entry(status: number, code: string, armCode: string, description: string): CatalogueEntry {
  return { status, code, armCode, description };
}

/** Every refusal of the service, by name. `docs/errors.md` lists exactly these; a test compares the two. */
export const catalogue = {
  InvalidInput: entry(
    400,
    '2000',
    'BadRequest',
    'The request is malformed. Correct what the text names and send it again.',
  ),
  InvalidProperty: entry(
    400,
    '3000',
    'InvalidRequestContent',
    'A property is missing or has a wrong value. Correct what data[] names and send it again.',
  ),
  QuantityNotAllowed: entry(
    400,
    '2001',
    'BadRequest',
    'The subscription cannot have this quantity. Send the one it has.',
  ),
  StaleEtag: entry(
    400,
    '2055',
    'BadRequest',
    'The etag in the body is no longer valid. Get the resource again and repeat the change on it.',
  ),
  RequestIdReused: entry(
    400,
    '990001',
    'BadRequest',
    'This MS-RequestId has been used for another request. Send every new request under a new id.',
  ),
  InvalidDate: entry(400, '990002', 'BadRequest', 'The date is not one this operation accepts. Send it as yyyy-mm-dd.'),
  MissingApiVersion: entry(
    400,
    '990003',
    'MissingApiVersionParameter',
    "The api-version query parameter (?api-version=) is required for all requests. Add one, e.g. '2022-04-01'.",
  ),
  InvalidCustomerId: entry(400, '900118', 'BadRequest', 'The customer id is not valid for this operation.'),
  UnsupportedOperation: entry(400, '900141', 'BadRequest', 'The operation is not possible on this resource as it is.'),
  UserInputError: entry(
    400,
    '60012',
    'BadRequest',
    'The customer user is not acceptable as sent. Correct what data[] names.',
  ),
  RegistrationNumberUnsupported: entry(
    400,
    '600002',
    'BadRequest',
    'The organization registration number is not supported in this country. Leave it out.',
  ),
  RegistrationNumberMissing: entry(
    400,
    '600049',
    'BadRequest',
    'The organization registration number is required in this country. Send it in companyProfile.',
  ),
  RegistrationNumberInvalid: entry(
    400,
    '600050',
    'BadRequest',
    'The organization registration number has to be 4 to 30 letters, digits, blanks, dots, slashes or hyphens.',
  ),
  PhoneNumberMissing: entry(
    400,
    '600051',
    'BadRequest',
    'A phone number is required in this country. Send it in billingProfile.defaultAddress.phoneNumber.',
  ),
  InvalidCancellationReason: entry(
    400,
    '900307',
    'BadRequest',
    'The cancellation reason is not one of the accepted values.',
  ),
  EntitlementNotReactivated: entry(
    400,
    '900337',
    'BadRequest',
    'The Azure entitlement cannot be reactivated. Reactivate the subscription above it first.',
  ),
  AzureSubscriptionNotActive: entry(
    400,
    '800012',
    'BadRequest',
    'The Azure subscription is not active. Reactivate it first.',
  ),
  NotAnAzureSubscription: entry(
    400,
    '800011',
    'BadRequest',
    'The subscription is neither an Azure plan nor MS-AZR-0145P. Name one that is.',
  ),
  PrincipalNotFound: entry(
    400,
    '990004',
    'PrincipalNotFound',
    'The principal does not exist in the directory of the customer. Create it first, or correct the id.',
  ),
  UnmatchedPrincipalType: entry(
    400,
    '990005',
    'UnmatchedPrincipalType',
    'The principal has another type than the principalType sent. Send the type it has, or leave it out.',
  ),
  RoleAssignmentUpdateNotPermitted: entry(
    400,
    '990006',
    'RoleAssignmentUpdateNotPermitted',
    'Tenant ID, application ID, principal ID, and scope are not allowed to be updated. Use a new role assignment name.',
  ),
  RoleAssignmentLimitExceeded: entry(
    400,
    '990007',
    'RoleAssignmentLimitExceeded',
    'No more than 4000 role assignments are allowed for a subscription. Remove one first.',
  ),
  LastOwner: entry(
    400,
    '990008',
    'LastRbacAdminAssignmentDeletionNotAllowed',
    'Cannot delete the last RBAC admin assignment. Assign another Owner first.',
  ),
  Unauthorized: entry(
    401,
    '400',
    'AuthenticationFailed',
    'Access denied. Send a valid access token in the Authorization header.',
  ),
  TokenMissing: entry(
    401,
    '800001',
    'AuthenticationFailed',
    'The access token is missing. Send it as Authorization: Bearer <token>.',
  ),
  NoRelationship: entry(
    403,
    '20002',
    'AuthorizationFailed',
    'The tenant of the token is neither a partner nor a customer here.',
  ),
  ActionNotAllowed: entry(
    403,
    '600006',
    'Forbidden',
    'The requested action is not allowed. data[] says why and what to do.',
  ),
  RoleLacksRights: entry(
    403,
    '900150',
    'AuthorizationFailed',
    'The supplied role does not have the rights to perform the requested operation.',
  ),
  AppOnlyNotAllowed: entry(
    403,
    '900329',
    'AuthorizationFailed',
    'App-only authentication is not supported for this resource. Use an App+User token.',
  ),
  PlanHasActiveSubscriptions: entry(
    403,
    '900115',
    'Forbidden',
    'The Azure plan cannot be suspended while it has active Azure subscriptions. Cancel those first.',
  ),
  NotInProduction: entry(
    403,
    '800019',
    'Forbidden',
    'The operation exists in the integration sandbox only. Start the service with SANDBOX=true for it.',
  ),
  NotFound: entry(404, '1000', 'NotFound', 'There is no such resource. Check the address.'),
  UserNotFound: entry(404, '60002', 'NotFound', 'There is no such customer user.'),
  CustomerNotFound: entry(
    404,
    '60003',
    'NotFound',
    'There is no such customer of this partner. Check the customer id.',
  ),
  SubscriptionNotFound: entry(
    404,
    '20003',
    'SubscriptionNotFound',
    'There is no such subscription of this customer. Check the subscription id.',
  ),
  EntitlementNotFound: entry(404, '800111', 'NotFound', 'There is no such Azure entitlement of this subscription.'),
  SelfServePolicyNotFound: entry(
    404,
    '600039',
    'NotFound',
    'The self-serve policy was not found. Create it with POST /v1/SelfServePolicy.',
  ),
  SelfServePolicyIdIncorrect: entry(
    404,
    '600040',
    'NotFound',
    'The self-serve policy identifier is incorrect. It is {partner tenant id}_{customer tenant id}, and agrees with grantor and selfServeEntity.',
  ),
  RoleAssignmentNotFound: entry(
    404,
    '990009',
    'RoleAssignmentNotFound',
    'There is no such role assignment at this scope.',
  ),
  RoleDefinitionNotFound: entry(
    404,
    '990010',
    'RoleDefinitionDoesNotExist',
    'There is no such role definition. Only built-in roles are known here.',
  ),
  AuditRecordNotFound: entry(404, '990011', 'NotFound', 'There is no such audit record.'),
  MethodNotAllowed: entry(
    405,
    '990012',
    'HttpMethodNotSupported',
    'The address exists, but not with this method. The Allow header lists those it has.',
  ),
  NotAcceptable: entry(
    406,
    '990013',
    'NotAcceptable',
    'The answer cannot be given in a media type of the Accept header. Accept application/json.',
  ),
  RequestTimeout: entry(408, '990014', 'RequestTimeout', 'The request did not arrive in time. Send it again.'),
  SelfServePolicyExists: entry(
    409,
    '600041',
    'Conflict',
    'A self-serve policy exists for this customer. Change it with PUT.',
  ),
  RequestInProgress: entry(
    409,
    '990015',
    'Conflict',
    'A request with this MS-RequestId is still running. Repeat it after the time in Retry-After.',
  ),
  CustomerExists: entry(409, '990016', 'Conflict', 'A customer with this domain exists. Choose another domain.'),
  UserExists: entry(409, '990017', 'Conflict', 'A user with this userPrincipalName exists. Choose another.'),
  RoleAssignmentExists: entry(409, '990018', 'RoleAssignmentExists', 'The role assignment already exists.'),
  PreconditionFailed: entry(
    412,
    '990019',
    'PreconditionFailed',
    'The resource has changed since. Get it again and repeat the change with its new ETag.',
  ),
  PayloadTooLarge: entry(413, '990020', 'RequestEntityTooLarge', 'The body is larger than this service accepts.'),
  UriTooLong: entry(414, '990021', 'RequestUriTooLong', 'The address is longer than 8 KiB.'),
  UnsupportedMediaType: entry(
    415,
    '990022',
    'UnsupportedMediaType',
    'The body has to be sent as application/json in UTF-8, not compressed.',
  ),
  ExpectationFailed: entry(
    417,
    '990029',
    'ExpectationFailed',
    'The only expectation this service meets is 100-continue. Leave the Expect header out.',
  ),
  PreconditionRequired: entry(
    428,
    '990023',
    'PreconditionRequired',
    'The change needs the etag of the resource, as If-Match or as attributes.etag in the body.',
  ),
  TooManyRequests: entry(
    429,
    '990024',
    'TooManyRequests',
    'Rate limit is exceeded. Try again after the time in Retry-After.',
  ),
  HeadersTooLarge: entry(
    431,
    '990025',
    'RequestHeaderFieldsTooLarge',
    'The request headers are larger than 16 KiB, or more than 1000.',
  ),
  InternalError: entry(
    500,
    '800003',
    'InternalServerError',
    'The service failed. Report the MS-RequestId of this answer to whoever runs it.',
  ),
  Unavailable: entry(
    503,
    '990026',
    'ServiceUnavailable',
    'The service cannot answer now. Nothing was changed; repeat the request after the time in Retry-After.',
  ),
  Busy: entry(
    503,
    '990027',
    'ServerBusy',
    'Another request holds this customer. Nothing was changed; repeat the request after the time in Retry-After.',
  ),
  OutcomeUnknown: entry(
    503,
    '990028',
    'ServiceUnavailable',
    'Whether the change was made is not known. Repeat the request with the same MS-RequestId to learn it.',
  ),
} as const satisfies Record<string, CatalogueEntry>;

export type ErrorName = keyof typeof catalogue;
