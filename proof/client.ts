import { setTimeout } from 'node:timers/promises';

export interface Call {
  method: string;
  path: string;
  body?: unknown;
  headers?: Readonly<Record<string, string>>;
  token: string;
}

export interface Reply {
  status: number;
  headers: Headers;
  text: string;
}

const MOST_ATTEMPTS = 20;
const PAUSE_MS = 100;

/**
 * Sends a request on a connection that is kept. What the service answers when it is too busy (503: nothing was done) is
 * sent again.
 */
export async function send(url: string, { method, path, body, headers, token }: Call): Promise<Reply> {
  for (let attempt = 1; ; attempt++) {
    const answer = await fetch(`${url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    if (answer.status !== 503 || attempt === MOST_ATTEMPTS)
      return { status: answer.status, headers: answer.headers, text };
    await setTimeout(PAUSE_MS);
  }
}

/** @throws when the answer is not a success */
export async function sendOk(url: string, call: Call): Promise<Reply> {
  const reply = await send(url, call);
  if (reply.status >= 300) throw new Error(`${call.method} ${call.path}: ${reply.status} ${reply.text}`);
  return reply;
}
