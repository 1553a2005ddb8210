import type { FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { ApiError } from '../errors/api-error.js';
import { assertSameQuery, type Json, readContinuationToken, type TokenCodec } from './continuation-token.js';
import { textEnum } from './schemas.js';

/** The query parameters of every paged operation of the Partner Center face. */
export const pagingQuery = {
  seekOperation: Type.Optional(
    textEnum(['First', 'Next', 'Previous', 'Last', 'PageIndex'], {
      description: '`Next` with a continuation token; the others than `First` are refused.',
    }),
  ),
  'MS-ContinuationToken': Type.Optional(
    Type.String({ description: 'Token of a further page; the header of that name is the usual place.' }),
  ),
};

export interface OpenPage<Query, Position> {
  /** What the first request asked for: read from the token where there is one. */
  query: Query;
  /** Where this page starts; undefined on the first. */
  position: Position | undefined;
  /** The token of the page after the given position. */
  seal(position: Position): string;
}

/**
 * Opens a page: without a token from the query, with one from the token, which carries size and filter, since a seek
 * request of the SDKs sends nothing else.
 * @param route what the token is bound to beside the partner: operation and ids of the path
 * @param names the query parameters that make up the list
 */
export function openPage<Query extends object, Position>(
  codec: TokenCodec,
  request: FastifyRequest,
  route: string,
  names: readonly (keyof Query & string)[],
): OpenPage<Query, Position> {
  const sent = request.query as Record<string, Json | undefined>;
  const { seekOperation } = sent as { seekOperation?: string };
  const token = readContinuationToken(request);
  const scope = { partnerId: request.caller.tenantId, route };
  if (seekOperation !== undefined && seekOperation !== 'First' && (seekOperation !== 'Next' || token === undefined)) {
    throw new ApiError('InvalidInput', {
      description: 'Only seekOperation=Next with a continuation token, or First, is possible here.',
    });
  }
  const asked = Object.fromEntries(names.flatMap((name) => (sent[name] === undefined ? [] : [[name, sent[name]]])));
  if (token === undefined || seekOperation === 'First') return page(asked as Query, undefined);
  const content = codec.open(token, scope);
  assertSameQuery(content, asked);
  return page(content.query as Query, content.position as Position);

  function page(query: Query, position: Position | undefined): OpenPage<Query, Position> {
    return {
      query,
      position,
      seal: (next) => codec.seal({ ...scope, query: query as Record<string, Json>, position: next as Json }),
    };
  }
}
