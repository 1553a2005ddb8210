import { type OutgoingHttpHeaders, STATUS_CODES, request as sendPlain } from 'node:http';
import { request as sendSecure } from 'node:https';
import { assertConnectable, guardedLookup, hostOf, TargetRefused, type TargetRules } from './target.js';

export interface Answer {
  /** HTTP status; absent when there was no answer. */
  responseCode?: number;
  /** The name of the status, or why there was no answer. Nothing that the target wrote. */
  message: string;
}

export interface PostLimits {
  /** From the look-up of the name to the end of the answer. */
  milliseconds: number;
  /** Of the answer's body, none of which is kept. */
  bytes: number;
}

export const POST_LIMITS: PostLimits = { milliseconds: 10_000, bytes: 64 * 1024 };

function reasonOf(error: NodeJS.ErrnoException, limits: PostLimits): string {
  if (error instanceof TargetRefused) return error.message;
  if (error.name === 'AbortError' || error.name === 'TimeoutError') {
    return `The target did not answer within ${limits.milliseconds / 1000} s.`;
  }
  return `The connection failed: ${error.code ?? error.name}.`;
}

/**
 * Sends one POST on a connection of its own. A redirect is an answer like others: where it leads was judged by nobody.
 * The status counts once it is there, whatever follows it. Never throws.
 */
export async function post(
  url: URL,
  headers: OutgoingHttpHeaders,
  body: Buffer,
  rules: TargetRules,
  limits = POST_LIMITS,
): Promise<Answer> {
  try {
    assertConnectable(url, rules);
  } catch (error) {
    return { message: reasonOf(error as Error, limits) };
  }
  const send = url.protocol === 'https:' ? sendSecure : sendPlain;
  return new Promise((resolve) => {
    let answer: Answer | undefined;
    let failure: Answer = { message: 'The target ended the connection without an answer.' };
    const request = send({
      method: 'POST',
      protocol: url.protocol,
      hostname: hostOf(url),
      port: url.port,
      path: `${url.pathname}${url.search}`,
      headers: { ...headers, 'Content-Length': body.length },
      agent: false,
      lookup: guardedLookup(rules),
      signal: AbortSignal.timeout(limits.milliseconds),
    });
    request.on('response', (response) => {
      const code = response.statusCode ?? 0;
      answer = { responseCode: code, message: STATUS_CODES[code] ?? String(code) };
      let received = 0;
      response.on('data', (chunk: Buffer) => {
        received += chunk.length;
        if (received > limits.bytes) response.destroy();
      });
      // The limits end an answer with an error; its status stands.
      response.on('error', () => {});
    });
    request.on('error', (error) => {
      failure = { message: reasonOf(error, limits) };
    });
    request.on('close', () => resolve(answer ?? failure));
    request.end(body);
  });
}
