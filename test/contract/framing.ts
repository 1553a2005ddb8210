const ON = '{"state":"on"}';
const LENGTH = `Content-Length: ${ON.length}`;
const CHUNKED = 'Transfer-Encoding: chunked';
const CHUNKS = `${ON.length.toString(16)}\r\n${ON}\r\n0\r\n\r\n`;

/** Header lines that say in two ways, or in none, where the body ends, and the body. */
const LENGTHS: readonly [readonly string[], string][] = [
  [[LENGTH, CHUNKED], CHUNKS],
  [[CHUNKED, LENGTH], CHUNKS],
  [[LENGTH, 'Content-Length: 5'], ON],
  [[LENGTH, LENGTH], ON],
  [['Content-Length: 14, 14'], ON],
  [['Content-Length: +14'], ON],
  [['Content-Length: 0x0e'], ON],
  [['Content-Length: -1'], ON],
  [['Content-Length: 99999999999999999999999'], ON],
  [['Transfer-Encoding: chunked, identity'], CHUNKS],
  [['Transfer-Encoding: identity'], CHUNKS],
  [['Transfer-Encoding: xchunked'], CHUNKS],
  [[CHUNKED, 'Transfer-Encoding: identity'], CHUNKS],
  [['Transfer-Encoding : chunked'], CHUNKS],
  [['Transfer-Encoding: \x0bchunked'], CHUNKS],
  [['Content-Length : 14'], ON],
];

export interface Framed {
  /** Row of the list of bad inputs. */
  row: 'B55' | 'B56' | 'B57';
  bytes: string;
}

/** A PUT whose framing is given. */
export function framed(authorization: string, path: string, framing: readonly string[], body: string): string {
  const head = [`PUT ${path} HTTP/1.1`, 'Host: 127.0.0.1', authorization, 'Content-Type: application/json'];
  return [...head, ...framing, '', body].join('\r\n');
}

/**
 * Requests of which two readers can think differently where they end, or that are none: each is one 400 and a closed
 * connection, and what is sent behind is never looked at.
 * @param authorization a header line
 */
export function ambiguousRequests(authorization: string, path: string): Framed[] {
  const head = `PUT ${path} HTTP/1.1\r\nHost: x\r\n${authorization}\r\nContent-Type: application/json\r\n`;
  const chunked = `${head}Transfer-Encoding: chunked\r\n\r\n`;
  const malformed = [
    `GET ${path} HTTP/1.1\nHost: x\n\n`,
    `GET ${path} HTTP/1.1\r\nHost: x\n${authorization}\r\n\r\n`,
    `${head}X-Folded: a\r\n b\r\nContent-Length: 14\r\n\r\n${ON}`,
    `${head}X-Nul: a\0b\r\nContent-Length: 14\r\n\r\n${ON}`,
    `${head}X\0: b\r\nContent-Length: 14\r\n\r\n${ON}`,
    `${head}No colon\r\n\r\n`,
    `${head}: empty\r\n\r\n`,
    `${chunked}xyz\r\n${ON}\r\n0\r\n\r\n`,
    `${chunked}-1\r\n${ON}\r\n0\r\n\r\n`,
    `${chunked}ffffffffffffffffff\r\n${ON}\r\n0\r\n\r\n`,
    `${chunked}e\n${ON}\n0\n\n`,
    `${chunked}3\r\n${ON}\r\n0\r\n\r\n`,
    `GET ${path}\r\n\r\n`,
    `GET ${path} HTTP/3.7\r\nHost: x\r\n\r\n`,
    `GET  HTTP/1.1\r\nHost: x\r\n\r\n`,
    `get ${path} HTTP/1.1\r\nHost: x\r\n\r\n`,
    `GET /a b HTTP/1.1\r\nHost: x\r\n\r\n`,
    '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  ];
  const extension = framed(authorization, path, [CHUNKED], `e;x=${'a'.repeat(100_000)}\r\n${ON}\r\n0\r\n\r\n`);
  return [
    ...LENGTHS.map(([framing, body]): Framed => ({ row: 'B55', bytes: framed(authorization, path, framing, body) })),
    ...malformed.map((bytes): Framed => ({ row: 'B56', bytes })),
    { row: 'B57', bytes: extension },
  ];
}

/** Ways to write `Transfer-Encoding: chunked` that not every reader takes for it. */
const SPELLINGS = [
  CHUNKED,
  'Transfer-Encoding: chunked, identity',
  'Transfer-Encoding: identity, chunked',
  'Transfer-Encoding: xchunked',
  'Transfer-Encoding: "chunked"',
  'Transfer-Encoding : chunked',
  'Transfer-Encoding:\tchunked',
  'Transfer-Encoding: \x0bchunked',
  'Transfer-Encoding: chunked\x00',
  'Transfer-Encoding:\r\n chunked',
  'transfer-encoding: CHUNKED',
  'X-One: 1\nTransfer-Encoding: chunked',
  'Transfer-Encoding: chunked\r\nTransfer-Encoding: identity',
] as const;

/**
 * The same places in doubt, with a whole request where one reader sees the rest of a body: who goes by the length, by the
 * chunks, or by the chunks' extensions and line ends finds another end than the others.
 * @param hidden the request
 */
export function smugglingRequests(authorization: string, path: string, hidden: string): string[] {
  const made: string[] = [];
  for (const spelling of SPELLINGS) {
    const behindChunks = `0\r\n\r\n${hidden}`;
    made.push(framed(authorization, path, [`Content-Length: ${behindChunks.length}`, spelling], behindChunks));
    made.push(framed(authorization, path, [spelling, `Content-Length: ${behindChunks.length}`], behindChunks));
    const size = hidden.length.toString(16);
    made.push(
      framed(
        authorization,
        path,
        [`Content-Length: ${size.length + 2}`, spelling],
        `${size}\r\n${hidden}\r\n0\r\n\r\n`,
      ),
    );
  }
  const inChunks = (text: string) => framed(authorization, path, [CHUNKED], text);
  const sized = (length: string) => framed(authorization, path, [`Content-Length: ${length}`], hidden);
  made.push(
    inChunks(`0;\n\r\n\r\n${hidden}`),
    inChunks(`0;x=\r\r\n\r\n${hidden}`),
    inChunks(`0\n\n${hidden}`),
    inChunks(`0\r\nX: y\n\n${hidden}\r\n\r\n`),
    inChunks(`0x0\r\n\r\n${hidden}`),
    sized('0, 0'),
    sized('+0'),
    sized('0x0'),
    sized(`0\r\nContent-Length: ${hidden.length}`),
    sized(`${hidden.length}\r\nContent-Length: 0`),
    framed(authorization, path, [`Content-Length: ${hidden.length}`, 'Content-Length : 0'], hidden),
    framed(authorization, path, [`X: y\r\n Content-Length: 0\r\nContent-Length: ${hidden.length}`], hidden),
  );
  return made;
}
