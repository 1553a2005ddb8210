import { connect, type Socket } from 'node:net';

export interface RawAnswer {
  status: number;
  /** Names in lower case and values, one line each. */
  head: string;
  text: string;
  milliseconds: number;
}

const HEAD_END = Buffer.from('\r\n\r\n');

interface Waiting {
  bodiless: boolean;
  begin: number;
  resolve(answer: RawAnswer): void;
  reject(error: Error): void;
}

/** One request after the other on a socket that is kept; opened again when the service has closed it. */
export class KeepAliveConnection {
  #socket: Socket | undefined;
  #received: Buffer = Buffer.alloc(0);
  #waiting: Waiting | undefined;

  constructor(
    private readonly host: string,
    private readonly port: number,
  ) {}

  /** @param head whether the answer has no body whatever its length says */
  send(bytes: string, head = false): Promise<RawAnswer> {
    return new Promise((resolve, reject) => {
      this.#waiting = { bodiless: head, begin: performance.now(), resolve, reject };
      this.#socket ??= this.#open();
      this.#socket.write(bytes);
    });
  }

  close(): void {
    this.#socket?.destroy();
  }

  #open(): Socket {
    const socket = connect(this.port, this.host).setNoDelay();
    this.#received = Buffer.alloc(0);
    socket.on('data', (bytes: Buffer) => {
      this.#received = this.#received.length === 0 ? bytes : Buffer.concat([this.#received, bytes]);
      this.#take();
    });
    const gone = (error?: Error) => {
      if (this.#socket !== socket) return;
      this.#socket = undefined;
      const waiting = this.#waiting;
      this.#waiting = undefined;
      waiting?.reject(error ?? new Error('the connection was closed without an answer'));
    };
    socket.on('error', gone);
    socket.on('close', () => gone());
    return socket;
  }

  #take(): void {
    const end = this.#received.indexOf(HEAD_END);
    if (end === -1) return;
    const head = this.#received.toString('latin1', 0, end).toLowerCase();
    const status = Number(head.slice(9, 12));
    const start = end + HEAD_END.length;
    const waiting = this.#waiting;
    const bodiless = waiting?.bodiless === true || status === 204 || status === 304;
    const length = bodiless ? 0 : Number(/\r\ncontent-length: (\d+)/.exec(head)?.[1] ?? Number.NaN);
    if (Number.isNaN(length) || !waiting) {
      this.#socket?.destroy(new Error(`an answer that cannot be framed: ${head}`));
      return;
    }
    if (this.#received.length < start + length) return;
    const text = this.#received.toString('utf8', start, start + length);
    const rest = this.#received.subarray(start + length);
    this.#received = rest;
    this.#waiting = undefined;
    if (/\r\nconnection: close/.test(head)) {
      const socket = this.#socket;
      this.#socket = undefined;
      socket?.destroy();
    }
    if (rest.length > 0) waiting.reject(new Error(`more than one answer: ${rest.toString('latin1').slice(0, 200)}`));
    else waiting.resolve({ status, head, text, milliseconds: performance.now() - waiting.begin });
  }
}
