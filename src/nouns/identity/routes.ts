import formbody from '@fastify/formbody';
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { decodeJwt } from 'jose';
import { Type } from 'typebox';
import { ApiError } from '../../errors/api-error.js';
import { refusals as partnerCenterRefusals } from '../../http/responses.js';
import { READERS } from '../../plugins/authorization.js';
import type { Identity } from './identity.js';
import {
  GeneratedToken,
  JsonWebKeySet,
  OpenIdConfiguration,
  TenantParams,
  TokenError,
  TokenForm,
  TokenReply,
} from './schemas.js';
import { describeIssuer, issueToken, oauthError } from './service.js';

const tags = ['Identity'];
const config = { access: 'public' } as const;
const malformed = { 400: Type.Ref('TokenError#'), 404: Type.Ref('TokenError#') };
const refusals = { ...malformed, 401: Type.Ref('TokenError#') };

/** The endpoints of Entra ID that published clients call (development only). */
export const identityRoutes: FastifyPluginAsyncTypebox<{ identity: Identity }> = async (app, { identity }) => {
  // Form bodies are read here and nowhere else.
  await app.register(formbody);
  for (const schema of [TokenReply, TokenError, OpenIdConfiguration, JsonWebKeySet, GeneratedToken])
    app.addSchema(schema);

  const tokenEndpoints = [
    { url: '/:tenant/oauth2/v2.0/token', operationId: 'issueToken' },
    { url: '/:tenant/oauth2/token', operationId: 'issueTokenV1' },
  ];
  for (const { url, operationId } of tokenEndpoints) {
    app.post(
      url,
      {
        config,
        attachValidation: true,
        schema: {
          operationId,
          tags,
          summary: 'Get an access token',
          consumes: ['application/x-www-form-urlencoded'],
          params: TenantParams,
          body: TokenForm,
          response: { 200: Type.Ref('TokenReply#'), ...refusals },
        },
      },
      async (request, reply) => {
        if (request.validationError) {
          throw oauthError('invalid_request', 'AADSTS90014: The body is not a form in which every field comes once.');
        }
        reply.headers({ 'Cache-Control': 'no-store', Pragma: 'no-cache' });
        return issueToken(identity, request.params.tenant, request.body);
      },
    );
  }

  const discoveryDocuments = [
    { url: '/:tenant/v2.0/.well-known/openid-configuration', operationId: 'getOpenIdConfiguration', version: 2 },
    { url: '/:tenant/.well-known/openid-configuration', operationId: 'getOpenIdConfigurationV1', version: 1 },
  ] as const;
  for (const { url, operationId, version } of discoveryDocuments) {
    app.get(
      url,
      {
        config,
        schema: {
          operationId,
          tags,
          summary: 'Where the endpoints of the issuer are',
          params: TenantParams,
          response: { 200: Type.Ref('OpenIdConfiguration#'), ...malformed },
        },
      },
      async ({ params, protocol, host }) => describeIssuer(identity, params.tenant, `${protocol}://${host}`, version),
    );
  }

  const keyDocuments = [
    { url: '/:tenant/discovery/v2.0/keys', operationId: 'getIdentityKeys' },
    { url: '/:tenant/discovery/keys', operationId: 'getIdentityKeysV1' },
  ];
  for (const { url, operationId } of keyDocuments) {
    app.get(
      url,
      {
        config,
        schema: {
          operationId,
          tags,
          summary: 'The public keys of the issuer',
          params: TenantParams,
          response: { 200: Type.Ref('JsonWebKeySet#'), ...malformed },
        },
      },
      async () => identity.localKeys.jwks,
    );
  }

  app.post(
    '/generatetoken',
    {
      // A text or an object: there are no members to fold.
      config: { access: { partner: READERS }, strictBody: true },
      schema: {
        operationId: 'generateToken',
        tags,
        summary: 'Exchange an access token for one of Partner Center (legacy)',
        consumes: ['application/x-www-form-urlencoded', 'application/json'],
        body: Type.Union([Type.Object({ grant_type: Type.Optional(Type.String()) }), Type.String()]),
        response: { 200: Type.Ref('GeneratedToken#'), ...partnerCenterRefusals(413, 415) },
      },
    },
    async (request, reply) => {
      const grant = typeof request.body === 'string' ? request.body : request.body.grant_type;
      if (grant !== 'jwt_token') {
        throw new ApiError('InvalidInput', { description: 'The grant_type has to be jwt_token.' });
      }
      // Verified by the authentication plugin, or the request would not be here.
      const claims = decodeJwt((request.headers.authorization ?? '').replace(/^bearer +/i, '').trim());
      const time = Math.floor(identity.now().getTime() / 1000);
      reply.headers({ 'Cache-Control': 'no-store', Pragma: 'no-cache' });
      return {
        access_token: await identity.sign({ ...claims, iat: time, nbf: time }),
        token_type: 'bearer' as const,
        expires_in: Math.max(0, (claims.exp ?? time) - time),
      };
    },
  );
};
