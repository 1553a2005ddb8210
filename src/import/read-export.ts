import { createReadStream } from 'node:fs';
import { TextDecoder } from 'node:util';
import { ApiError } from '../errors/api-error.js';
import { parseStrictJsonText } from '../http/strict-json.js';
import { type Element, ElementSplitter, MalformedExport } from './element-splitter.js';

/** A file to import. `open` is called once to look and once or more to read. */
export interface Source {
  /** What reports call it. */
  name: string;
  open(): AsyncIterable<Buffer>;
}

export function fileSource(path: string): Source {
  return { name: path, open: () => createReadStream(path, { highWaterMark: 256 * 1024 }) };
}

/** One resource of a file, or why it is none. */
export type Read = { index: number; pointer: string } & ({ value: object } | { reason: string });

export interface Envelope {
  /** The export says that there are further pages. */
  hasNextPage: boolean;
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** UTF-8 without its byte order mark. PowerShell 5 writes redirected output as UTF-16. */
async function* asUtf8(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let decoder: TextDecoder | undefined;
  let head: Buffer | undefined = Buffer.alloc(0);
  for await (const chunk of chunks) {
    let bytes = chunk;
    if (head !== undefined) {
      bytes = Buffer.concat([head, chunk]);
      head = bytes.length < 3 ? bytes : undefined;
      if (head !== undefined) continue;
      if (bytes[0] === 0xff && bytes[1] === 0xfe) decoder = new TextDecoder('utf-16le', { fatal: true });
      else if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) bytes = bytes.subarray(3);
    }
    yield decoder === undefined ? bytes : Buffer.from(decoder.decode(bytes, { stream: true }));
  }
  if (head !== undefined) yield head;
}

function parse({ bytes, index, pointer }: Element): Read {
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch {
    return { index, pointer, reason: 'It is not valid UTF-8.' };
  }
  try {
    const value = parseStrictJsonText(text, 'resource');
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { index, pointer, value };
    return { index, pointer, reason: 'It is not a JSON object.' };
  } catch (error) {
    if (error instanceof ApiError) return { index, pointer, reason: error.message };
    throw error;
  }
}

function readEnvelope(bytes: Buffer): Envelope {
  const { value } = parse({ bytes, index: 0, pointer: '' }) as { value?: Record<string, unknown> };
  const links = value?.links as { next?: unknown } | undefined;
  return {
    hasNextPage: Boolean(value?.nextLink ?? value?.['@odata.nextLink'] ?? value?.NextPageLink ?? links?.next),
  };
}

/**
 * Reads the resources of a file one after another, whatever its size.
 * @returns what stands around them
 * @throws MalformedExport, or the error of the file system
 */
export async function* readExport(source: Source): AsyncGenerator<Read, Envelope> {
  const splitter = new ElementSplitter();
  for await (const chunk of asUtf8(source.open())) {
    for (const element of splitter.push(chunk)) yield parse(element);
  }
  const { resource, envelope } = splitter.end();
  if (resource) yield parse(resource);
  return readEnvelope(envelope);
}

/** One sentence for a file that cannot be read at all. @throws what is no fault of the file */
export function faultOf(error: unknown): { index: number; reason: string } {
  if (error instanceof MalformedExport) return { index: error.index, reason: error.message };
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT') return { index: 0, reason: 'There is no such file.' };
  if (code === 'EACCES') return { index: 0, reason: 'The file may not be read.' };
  if (code === 'EISDIR') return { index: 0, reason: 'It is a directory.' };
  if (code === 'ERR_ENCODING_INVALID_ENCODED_DATA') return { index: 0, reason: 'It is not valid UTF-16.' };
  throw error;
}
