import { parse } from 'secure-json-parse';
import { ApiError } from '../errors/api-error.js';
import { shown } from './shown.js';

/** Deeper than any documented resource by an order of magnitude. */
const MAX_DEPTH = 64;

const utf8 = new TextDecoder('utf-8', { fatal: true });
const loneSurrogate = /\p{Surrogate}/u;

const QUOTE = 0x22;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

function refuse(what: string, reason: string, cause?: unknown): ApiError {
  return new ApiError('InvalidInput', { description: `The ${what} ${reason}`, cause });
}

/** Index of the quote that ends the string starting at `start`. The text is valid JSON, so there is one. */
function closingQuote(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); ; end = text.indexOf('"', end + 1)) {
    let before = end - 1;
    while (text.charCodeAt(before) === BACKSLASH) before--;
    if ((end - before) % 2 === 1) return end;
  }
}

function isName(text: string, afterQuote: number): boolean {
  let index = afterQuote;
  while (text.charCodeAt(index) <= 0x20) index++;
  return text.charCodeAt(index) === COLON;
}

/** One pass over text that JSON.parse has accepted, for what JSON.parse lets through. */
function scan(text: string, what: string): void {
  const open: (Set<string> | undefined)[] = [];
  for (let index = 0; index < text.length; index++) {
    switch (text.charCodeAt(index)) {
      case OPEN_BRACE:
      case OPEN_BRACKET:
        if (open.push(undefined) > MAX_DEPTH) throw refuse(what, `is nested deeper than ${MAX_DEPTH} levels.`);
        break;
      case CLOSE_BRACE:
      case CLOSE_BRACKET:
        open.pop();
        break;
      case QUOTE: {
        const end = closingQuote(text, index);
        let value = text.slice(index + 1, end);
        if (value.includes('\\')) {
          value = JSON.parse(text.slice(index, end + 1));
          if (value.includes('\0')) throw refuse(what, 'holds the character U+0000, which no text here may.');
          if (loneSurrogate.test(value)) throw refuse(what, 'holds half of a surrogate pair.');
        }
        if (isName(text, end + 1)) {
          const names = open[open.length - 1];
          if (names === undefined) open[open.length - 1] = new Set([value]);
          else if (names.has(value)) throw refuse(what, `has the property ${shown(value)} twice. Send it once.`);
          else names.add(value);
        }
        index = end;
      }
    }
  }
}

/**
 * Parses JSON text as {@link parseStrictJson} does.
 *
 * @param what names the text in the refusal, e.g. `filter`
 * @throws ApiError InvalidInput
 */
export function parseStrictJsonText(text: string, what: string): unknown {
  // secure-json-parse would take off a second byte order mark.
  if (text.startsWith('\ufeff')) throw refuse(what, 'starts with more than one byte order mark.');
  let value: unknown;
  try {
    value = parse(text);
  } catch (cause) {
    if (cause instanceof SyntaxError && cause.message.includes('forbidden prototype')) {
      throw refuse(what, 'has a property named __proto__ or constructor.prototype. Leave it out.', cause);
    }
    const position = /at position (\d+)/.exec(String(cause))?.[1];
    throw refuse(what, `is not JSON${position === undefined ? '.' : `: unexpected at character ${position}.`}`, cause);
  }
  scan(text, what);
  return value;
}

/**
 * Parses a request body: one UTF-8 byte order mark is tolerated, no bytes at all give `undefined` (generated clients
 * send an empty body under `application/json`). Refuses what JSON.parse would let through: invalid UTF-8, a name twice
 * in one object, `__proto__` and `constructor.prototype`, U+0000, half a surrogate pair, more than 64 levels.
 *
 * @throws ApiError InvalidInput
 */
export function parseStrictJson(bytes: Buffer): unknown {
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch (cause) {
    throw refuse('body', 'is not valid UTF-8.', cause);
  }
  return text === '' ? undefined : parseStrictJsonText(text, 'body');
}
