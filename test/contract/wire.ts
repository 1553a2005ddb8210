import { connect, type Socket } from 'node:net';
import type { Test } from 'tap';
import Schema from 'typebox/schema';
import type { ServiceClient } from '../helpers/service-client.js';

export interface WireAnswer {
  status: number;
  /** By lower-case name; several of one name are joined by a comma. */
  headers: Readonly<Record<string, string>>;
  text: string;
  /** Parsed JSON; undefined when there is none. */
  // biome-ignore lint/suspicious/noExplicitAny: answers are looked into freely by tests
  body: any;
}

export interface Exchange {
  answers: WireAnswer[];
  /** Whether the server ended the connection. */
  closed: boolean;
  milliseconds: number;
}

export interface Pace {
  /** How long a connection without news is held for kept open. Default 250 ms. */
  quietMilliseconds?: number;
  /** Sends byte by byte with this pause. */
  byteMilliseconds?: number;
  /** So many bytes are sent at once before. */
  firstBytes?: number;
  /** Sends more on the same connection. */
  later?: { bytes: string; milliseconds: number };
  /** Answers that have no body whatever their length says. */
  head?: boolean;
}

function parseAnswers(bytes: Buffer, head: boolean): WireAnswer[] {
  const answers: WireAnswer[] = [];
  let rest = bytes;
  while (rest.length > 0) {
    const end = rest.indexOf('\r\n\r\n');
    if (end === -1) throw new Error(`no end of headers in ${rest.toString('latin1').slice(0, 200)}`);
    const [statusLine = '', ...lines] = rest.toString('latin1', 0, end).split('\r\n');
    const headers: Record<string, string> = {};
    for (const line of lines) {
      const colon = line.indexOf(':');
      const name = line.slice(0, colon).toLowerCase();
      const value = line.slice(colon + 1).trim();
      headers[name] = headers[name] === undefined ? value : `${headers[name]}, ${value}`;
    }
    const length = head ? 0 : Number(headers['content-length'] ?? 0);
    const status = Number(statusLine.split(' ')[1]);
    let text = rest.toString('utf8', end + 4, end + 4 + length);
    let next = end + 4 + length;
    if (headers['transfer-encoding'] === 'chunked' && !head) {
      const size = Number.parseInt(rest.toString('latin1', end + 4), 16);
      const start = rest.indexOf('\r\n', end + 4) + 2;
      text = rest.toString('utf8', start, start + size);
      next = rest.indexOf('0\r\n\r\n', start + size) + 5;
    }
    rest = rest.subarray(next);
    const json = headers['content-type']?.includes('json') === true && text !== '';
    if (status >= 200) answers.push({ status, headers, text, body: json ? JSON.parse(text) : undefined });
  }
  return answers;
}

async function trickle(socket: Socket, bytes: Buffer, pause: number): Promise<void> {
  for (const byte of bytes) {
    if (socket.destroyed || !socket.writable) return;
    socket.write(Buffer.from([byte]));
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

/** Sends bytes as they are on a connection of their own and collects what comes back. */
export function exchange(url: string, bytes: string | Buffer, pace: Pace = {}): Promise<Exchange> {
  const { quietMilliseconds = 250, byteMilliseconds, firstBytes = 0, later, head = false } = pace;
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const started = Date.now();
    const received: Buffer[] = [];
    const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
    let quiet: NodeJS.Timeout;
    const finish = (closed: boolean) => {
      clearTimeout(quiet);
      socket.destroy();
      try {
        const milliseconds = Date.now() - started;
        resolve({ answers: parseAnswers(Buffer.concat(received), head), closed, milliseconds });
      } catch (error) {
        reject(error);
      }
    };
    const wait = () => {
      clearTimeout(quiet);
      quiet = setTimeout(() => finish(false), quietMilliseconds);
    };
    socket.on('data', (data) => {
      received.push(data);
      wait();
    });
    socket.on('end', () => finish(true));
    socket.on('error', () => finish(true));
    socket.on('connect', () => {
      wait();
      const all = typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes;
      if (byteMilliseconds === undefined) socket.write(all);
      else {
        if (firstBytes > 0) socket.write(all.subarray(0, firstBytes));
        trickle(socket, all.subarray(firstBytes), byteMilliseconds);
      }
      if (later) setTimeout(() => socket.writable && socket.write(later.bytes), later.milliseconds);
    });
  });
}

export interface Operation {
  operationId: string;
  /** Empty for what anybody may ask. */
  security?: object[];
  parameters?: { name: string; in: 'path' | 'query' | 'header'; required?: boolean; schema?: object }[];
  requestBody?: { content: Record<string, { schema: object }> };
  responses: Record<string, { content?: Record<string, { schema: object }> }>;
}
export interface Document {
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, object> };
}

/** `#/components/schemas/X` as the validator resolves it: by the name alone. */
function withLocalRefs<T>(schema: T): T {
  return JSON.parse(JSON.stringify(schema).replaceAll('"#/components/schemas/', '"'));
}

/** Validates against a schema of an OpenAPI document; empty when the value is valid. */
export function faultsOf(components: Readonly<Record<string, object>>, schema: object, value: unknown): string[] {
  const [valid, errors] = Schema.Errors(withLocalRefs(components), withLocalRefs(schema), value);
  return valid ? [] : errors.map(({ instancePath, message }) => `${instancePath} ${message}`);
}

interface Known {
  pattern: RegExp;
  operations: Record<string, Operation>;
}
interface Validator {
  Check(value: unknown): boolean;
}
interface Description {
  document: Document;
  paths: Known[];
  /** With local references. */
  components: Record<string, object>;
  /** By the text of the schema: most answers share a few. */
  validators: Map<string, Validator>;
}
const known = new WeakMap<ServiceClient, Description>();
const validatorOf = new WeakMap<object, Validator>();

function describe(service: ServiceClient): Description {
  const found = known.get(service);
  if (found) return found;
  const document = service.document() as Document;
  const paths = Object.entries(document.paths).map(([template, operations]) => {
    const pattern = template.replace(/[.*+?^$()|[\]\\]/g, '\\$&').replace(/\{[^}]+\}/g, '[^/]+');
    return { pattern: new RegExp(`^${pattern}$`, 'i'), operations };
  });
  const components = withLocalRefs(document.components.schemas);
  const made = { document, paths, components, validators: new Map<string, Validator>() };
  known.set(service, made);
  return made;
}

/** The description of a running service. */
export function documentOf(service: ServiceClient): Document {
  return describe(service).document;
}

/** The operation that a path belongs to; undefined where the document has none. */
function operationOf(service: ServiceClient, method: string, path: string): Operation | undefined {
  const plain = path
    .replace(/[?#].*$/s, '')
    .replace(/\/{2,}/g, '/')
    .replace(/(?<=.)\/$/, '');
  for (const { pattern, operations } of describe(service).paths) {
    if (!pattern.test(plain)) continue;
    const name = method.toLowerCase();
    const operation = operations[name] ?? (name === 'head' ? operations.get : undefined);
    if (operation) return operation;
  }
  return undefined;
}

function validatorFor(service: ServiceClient, schema: object): Validator {
  let validator = validatorOf.get(schema);
  if (!validator) {
    const { components, validators } = describe(service);
    const text = JSON.stringify(schema);
    validator = validators.get(text) ?? Schema.Compile(components, withLocalRefs(schema));
    validators.set(text, validator);
    validatorOf.set(schema, validator);
  }
  return validator;
}

/**
 * Why an answer is none that the OpenAPI document lists for the operation, status and body; undefined when it is one. What
 * is no operation (an unknown address or method) is not looked at.
 */
export function undocumented(
  service: ServiceClient,
  method: string,
  path: string,
  { status, body }: { status: number; body: unknown },
): string | undefined {
  const operation = operationOf(service, method, path);
  if (!operation) return undefined;
  const response = operation.responses[status];
  if (!response) return `${method} ${path} answered ${status}, which it does not list`;
  const schema = response.content?.['application/json']?.schema;
  if (!schema || body === undefined || method === 'HEAD') return undefined;
  if (validatorFor(service, schema).Check(body)) return undefined;
  const { schemas } = documentOf(service).components;
  return `${method} ${path} ${status}: ${faultsOf(schemas, schema, body).join('; ')}`;
}

/** An answer of an operation has to be one that the OpenAPI document lists. */
export function expectDocumented(
  t: Test,
  service: ServiceClient,
  method: string,
  path: string,
  answer: { status: number; body: unknown },
): void {
  t.equal(undocumented(service, method, path, answer), undefined, 'a documented answer');
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const DANGEROUS = /<script|node_modules|\.js:\d|select |insert |cp_app|eyJ[\w-]{20}/i;

export interface Refusal {
  status: number;
  /** Of the Partner Center face. */
  code?: string;
  /** Of the ARM face; its presence asks for that shape. */
  armCode?: string;
}

/** A refusal is whole: status, the shape of its face, both ids, and nothing of the request or the inside. */
export function expectRefusal(t: Test, answer: WireAnswer | undefined, { status, code, armCode }: Refusal): void {
  if (!answer) {
    t.fail('there is no answer');
    return;
  }
  const { headers, body, text } = answer;
  t.equal(answer.status, status, text.slice(0, 200));
  t.match(headers['ms-requestid'], UUID, 'MS-RequestId');
  t.match(headers['ms-correlationid'], UUID, 'MS-CorrelationId');
  t.match(headers['content-type'], /^application\/json; charset=utf-8$/);
  t.notMatch(text, DANGEROUS, 'nothing of the inside');
  if (armCode !== undefined) {
    t.match(body, { error: { code: armCode, message: /\S/ } }, 'the shape of ARM');
    t.strictSame(Object.keys(body), ['error']);
  } else if (status === 429) {
    t.match(body, { statusCode: 429, message: /seconds/ });
  } else {
    t.match(body, { code: code ?? /^\d+$/, description: /\S/, source: /\S/ }, 'the shape of Partner Center');
    t.ok(Array.isArray(body?.data), 'data is a list');
  }
}
