import type { FastifyRequest } from 'fastify';
import { assertSameQuery, type TokenCodec } from '../../http/continuation-token.js';
import { armPage } from '../../http/paging.js';
import type { ArmQueryValues } from './scope-shapes.js';

const HOST = /^(?:[\w.-]+|\[[\da-f:.]+\])(?::\d{1,5})?$/i;

/**
 * Where absolute links start: the configured origin, else what a trusted proxy says, else the address the connection
 * came in at. Never a Host header that anybody can send.
 */
export function originOf(request: FastifyRequest, publicUrl: string | undefined): string {
  if (publicUrl !== undefined) return publicUrl;
  // Beside the peer's own address there are others only where the peer is a trusted proxy.
  const proxied = (request.ips?.length ?? 0) > 1;
  if (proxied && HOST.test(request.host) && /^https?$/.test(request.protocol)) {
    return `${request.protocol}://${request.host}`;
  }
  const { localAddress = '127.0.0.1', localPort } = request.socket;
  const address = localAddress.replace(/^::ffff:/i, '');
  const host = address.includes(':') ? `[${address}]` : address;
  return localPort === undefined ? `http://${host}` : `http://${host}:${localPort}`;
}

export interface ArmPageRequest {
  /** What the first request asked for. */
  filter?: string;
  /** Key of the last row on the page before; undefined on the first page. */
  after?: string;
  /** @param next key of the last row shown; undefined on the last page */
  answer<Item>(path: string, value: readonly Item[], next: string | undefined): { value: Item[]; nextLink?: string };
}

export interface ArmPagingOptions {
  tokens: TokenCodec;
  publicUrl: string | undefined;
}

/** Opens a page by its `$skipToken`, which is bound to the caller's tenant, the route and `$filter`. */
export function openArmPage(options: ArmPagingOptions, request: FastifyRequest, route: string): ArmPageRequest {
  const { tokens, publicUrl } = options;
  const { 'api-version': version, tenantId, $filter: sent, $skipToken } = request.query as ArmQueryValues;
  const scope = { partnerId: request.caller.tenantId, route };
  const opened = $skipToken === undefined ? undefined : tokens.open($skipToken, scope);
  if (opened) assertSameQuery(opened, { $filter: sent });
  const carried = opened?.query.$filter;
  const $filter = typeof carried === 'string' ? carried : sent;
  return {
    ...($filter !== undefined && { filter: $filter }),
    ...(opened && { after: String(opened.position) }),
    answer: (path, value, next) =>
      armPage({
        value,
        baseUrl: originOf(request, publicUrl),
        path: encodeURI(path),
        query: { 'api-version': version, tenantId, $filter },
        skipToken:
          next && tokens.seal({ ...scope, position: next, query: { ...($filter !== undefined && { $filter }) } }),
      }),
  };
}
