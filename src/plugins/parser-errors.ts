import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyBaseLogger } from 'fastify';
import { ApiError } from '../errors/api-error.js';
import { faceOf } from '../http/face.js';
import { uuidv4 } from '../lib/uuid.js';
import { errorBody } from './errors.js';

/** How long a refused connection may still send before it is cut; closing at once could take the answer with it. */
const LINGER_MILLISECONDS = 1000;
const REQUEST_LINE = /(?:^|\n)[A-Z]+ +(\S+)[^\r\n]*/g;

/** Node's answer in progress on a socket (`_http_server.js` keeps it there, and its own handler looks at it). */
type HttpSocket = Socket & { _httpMessage?: ServerResponse<IncomingMessage> | null };
type ParserError = NodeJS.ErrnoException & { rawPacket?: Buffer; bytesParsed?: number };

function refusalOf(error: ParserError): ApiError {
  if (error.code === 'HPE_HEADER_OVERFLOW') return new ApiError('HeadersTooLarge');
  if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT') return new ApiError('RequestTimeout');
  return new ApiError('InvalidInput', { description: 'The request is not valid HTTP.' });
}

/** The address of the request at fault, as far as it was read: it tells the face. */
function addressOf({ rawPacket, bytesParsed }: ParserError, unfinished: IncomingMessage | undefined): string {
  if (unfinished) return unfinished.url ?? '/';
  const read = rawPacket?.toString('latin1', 0, Math.max(bytesParsed ?? 0, 64)) ?? '';
  return [...read.matchAll(REQUEST_LINE)].at(-1)?.[1] ?? '/';
}

function plainAnswer(refusal: ApiError, address: string, requestId: string): string {
  const body = JSON.stringify(errorBody(faceOf(address), refusal));
  return [
    `HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status]}`,
    'Content-Type: application/json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`,
    `MS-RequestId: ${requestId}`,
    `MS-CorrelationId: ${requestId}`,
    'Connection: close',
    '',
    body,
  ].join('\r\n');
}

/**
 * Takes what still comes from the parser: the rest of a request that was refused for its slowness would make it whole, and
 * it would be done.
 */
function discard(socket: Socket): void {
  // The first listener takes the bytes out of Node's own hands; what then listens is its parser.
  socket.on('data', () => {});
  socket.removeAllListeners('data');
  socket.on('data', () => {});
  socket.resume();
}

/**
 * Answers what Node's HTTP parser refused, before there was a request or in the middle of its body: Fastify's
 * `clientErrorHandler`. One answer, then the connection closes.
 */
export function answerParserErrors(log: FastifyBaseLogger): (error: NodeJS.ErrnoException, socket: Socket) => void {
  const refused = new WeakSet<Socket>();
  return (error, socket: HttpSocket) => {
    // What is sent behind the fault makes the parser fail again.
    if (refused.has(socket)) return;
    refused.add(socket);
    const running = socket._httpMessage;
    if (error.code === 'ECONNRESET' || !socket.writable || running?.headersSent) {
      socket.destroy();
      return;
    }
    const refusal = refusalOf(error);
    const unfinished = running && !running.req.complete ? running.req : undefined;
    const address = addressOf(error, unfinished);
    const answer = () => {
      const requestId = uuidv4();
      log.info({ requestId, correlationId: requestId, route: 'none', status: refusal.status }, 'answered');
      socket.end(plainAnswer(refusal, address, requestId));
      discard(socket);
      setTimeout(() => socket.destroy(), LINGER_MILLISECONDS).unref();
    };
    // The fault is behind a whole request that is still being answered: that answer comes first.
    if (running && !unfinished) running.once('finish', answer);
    else answer();
  };
}

/** Answers an `Expect` header that is not `100-continue`: listener of the server's event `checkExpectation`. */
export function answerExpectation(request: IncomingMessage, response: ServerResponse): void {
  const requestId = uuidv4();
  const refusal = new ApiError('ExpectationFailed');
  response.writeHead(refusal.status, {
    'Content-Type': 'application/json; charset=utf-8',
    'MS-RequestId': requestId,
    'MS-CorrelationId': requestId,
    Connection: 'close',
  });
  response.end(JSON.stringify(errorBody(faceOf(request.url ?? '/'), refusal)));
}
