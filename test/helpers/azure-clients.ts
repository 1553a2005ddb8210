import { AuthorizationManagementClient } from '@azure/arm-authorization';
import { AzureReservationAPI } from '@azure/arm-reservations';

const credentialOf = (token: string) => ({
  getToken: async () => ({ token, expiresOnTimestamp: Date.now() + 3_600_000 }),
});

const optionsFor = (url: string) => ({
  endpoint: url,
  allowInsecureConnection: true,
  retryOptions: { maxRetries: 0 },
});

/** The bearer policy of the published clients refuses plain http: another one sets the header. */
function overHttp<Client extends Pick<AzureReservationAPI, 'pipeline'>>(client: Client, token: string): Client {
  client.pipeline.removePolicy({ name: 'bearerTokenAuthenticationPolicy' });
  client.pipeline.addPolicy({
    name: 'authorizationHeader',
    sendRequest: (request, next) => {
      request.headers.set('authorization', `Bearer ${token}`);
      return next(request);
    },
  });
  return client;
}

/** `@azure/arm-reservations` as published. */
export function reservationClient(url: string, token: string): AzureReservationAPI {
  return overHttp(new AzureReservationAPI(credentialOf(token), optionsFor(url)), token);
}

/** `@azure/arm-authorization` as published. */
export function authorizationClient(url: string, token: string, subscriptionId: string): AuthorizationManagementClient {
  return overHttp(new AuthorizationManagementClient(credentialOf(token), subscriptionId, optionsFor(url)), token);
}

/** Every item of every page. */
export async function all<Item>(pages: AsyncIterable<Item>): Promise<Item[]> {
  const items: Item[] = [];
  for await (const item of pages) items.push(item);
  return items;
}
