/** One resource of an export, as the bytes that stand for it. */
export interface Element {
  bytes: Buffer;
  /** Place in the array it is in; 0 for a resource that is the whole file. */
  index: number;
  /** JSON pointer: empty for a resource that is the whole file. */
  pointer: string;
}

/** The text is not JSON, or not of a form an export has. */
export class MalformedExport extends Error {
  constructor(
    message: string,
    readonly index: number,
  ) {
    super(message);
  }
}

/** A group with 100 000 expanded members has some 30 MiB. */
const MAX_ELEMENT_BYTES = 64 * 1024 * 1024;
/** Members of a collection that hold its resources: Partner Center's and ARM's. */
const COLLECTION_MEMBERS = new Set(['items', 'value']);

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

const isSpace = (byte: number) => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;

type Place =
  | 'root'
  | 'first-key'
  | 'key'
  | 'colon'
  | 'member'
  | 'after-member'
  | 'first-element'
  | 'element'
  | 'after-element'
  | 'end';

/**
 * Cuts an export into its resources while it is read: an array, a collection (`items` or `value`), or one resource. Holds
 * one resource at a time. What is between the resources is checked here, each resource by whoever parses it.
 */
export class ElementSplitter {
  #place: Place = 'root';
  #inCollection = false;
  #isCollection = false;
  #member = '';
  #index = 0;
  #members: Buffer[] = [];
  #found: Element[] = [];

  // The value that is being captured.
  #capturing = false;
  #parts: Buffer[] = [];
  #size = 0;
  #depth = 0;
  #inString = false;
  #escaped = false;
  #scalar = false;

  /** Resources that are complete with this chunk. @throws MalformedExport */
  push(chunk: Buffer): Element[] {
    this.#found = [];
    let from = 0;
    for (let i = 0; i < chunk.length; i++) {
      const byte = chunk[i] ?? 0;
      if (!this.#capturing) {
        if (isSpace(byte) || !this.#step(byte)) continue;
        from = i;
        this.#begin(byte);
        continue;
      }
      const ended = this.#follow(byte);
      if (ended === 'no') continue;
      const end = ended === 'with' ? i + 1 : i;
      this.#keep(chunk.subarray(from, end));
      this.#complete();
      from = i + 1;
      // A scalar ends before the byte that tells so.
      if (ended === 'before' && !isSpace(byte)) this.#step(byte);
    }
    if (this.#capturing) this.#keep(chunk.subarray(from));
    return this.#found;
  }

  /** The resource that is the whole file, if it is one, and the other members of a collection. @throws MalformedExport */
  end(): { resource: Element | undefined; envelope: Buffer } {
    if (this.#place === 'root') throw new MalformedExport('The file is empty.', 0);
    if (this.#place !== 'end') throw new MalformedExport('The file ends in the middle.', this.#index);
    const envelope = Buffer.concat([Buffer.from('{'), ...this.#members, Buffer.from('}')]);
    const isResource = !this.#isCollection && this.#members.length > 0;
    return { resource: isResource ? { bytes: envelope, index: 0, pointer: '' } : undefined, envelope };
  }

  /** Takes a byte between values; true: a value begins with it. */
  #step(byte: number): boolean {
    switch (this.#place) {
      case 'root':
        if (byte === OPEN_BRACKET) {
          this.#isCollection = true;
          this.#place = 'first-element';
        } else if (byte === OPEN_BRACE) {
          this.#place = 'first-key';
        } else throw this.#unexpected(byte);
        return false;
      case 'first-key':
      case 'key':
        if (byte === QUOTE) return true;
        if (byte !== CLOSE_BRACE || this.#place === 'key') throw this.#unexpected(byte);
        this.#place = 'end';
        return false;
      case 'colon':
        if (byte !== COLON) throw this.#unexpected(byte);
        this.#place = 'member';
        return false;
      case 'member':
        if (byte !== OPEN_BRACKET || !COLLECTION_MEMBERS.has(this.#member.toLowerCase())) return true;
        this.#members.pop();
        this.#isCollection = true;
        this.#inCollection = true;
        this.#place = 'first-element';
        return false;
      case 'after-member':
        if (byte !== COMMA && byte !== CLOSE_BRACE) throw this.#unexpected(byte);
        this.#place = byte === COMMA ? 'key' : 'end';
        return false;
      case 'first-element':
      case 'element':
        if (byte !== CLOSE_BRACKET) return true;
        if (this.#place === 'element') throw this.#unexpected(byte);
        this.#place = this.#inCollection ? 'after-member' : 'end';
        return false;
      case 'after-element':
        if (byte === COMMA) this.#place = 'element';
        else if (byte === CLOSE_BRACKET) this.#place = this.#inCollection ? 'after-member' : 'end';
        else throw this.#unexpected(byte);
        return false;
      case 'end':
        throw this.#unexpected(byte);
    }
  }

  #begin(byte: number): void {
    this.#capturing = true;
    this.#parts = [];
    this.#size = 0;
    this.#escaped = false;
    this.#inString = byte === QUOTE;
    this.#depth = byte === OPEN_BRACE || byte === OPEN_BRACKET ? 1 : 0;
    this.#scalar = this.#depth === 0 && !this.#inString;
  }

  /** Whether the value ends with this byte, before it, or not yet. */
  #follow(byte: number): 'with' | 'before' | 'no' {
    if (this.#inString) {
      if (this.#escaped) this.#escaped = false;
      else if (byte === BACKSLASH) this.#escaped = true;
      else if (byte === QUOTE) {
        this.#inString = false;
        return this.#depth === 0 ? 'with' : 'no';
      }
      return 'no';
    }
    if (this.#scalar) {
      return isSpace(byte) || byte === COMMA || byte === CLOSE_BRACE || byte === CLOSE_BRACKET ? 'before' : 'no';
    }
    if (byte === QUOTE) this.#inString = true;
    else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) this.#depth++;
    else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
      this.#depth--;
      if (this.#depth === 0) return 'with';
    }
    return 'no';
  }

  #keep(part: Buffer): void {
    this.#size += part.length;
    if (this.#size > MAX_ELEMENT_BYTES) throw new MalformedExport('A resource is larger than 64 MiB.', this.#index);
    this.#parts.push(part);
  }

  #complete(): void {
    this.#capturing = false;
    const bytes = this.#parts.length === 1 ? (this.#parts[0] ?? Buffer.alloc(0)) : Buffer.concat(this.#parts);
    this.#parts = [];
    if (this.#place === 'first-key' || this.#place === 'key') {
      this.#member = this.#nameIn(bytes);
      this.#members.push(Buffer.from(`${this.#members.length > 0 ? ',' : ''}${JSON.stringify(this.#member)}:`));
      this.#place = 'colon';
    } else if (this.#place === 'member') {
      this.#members.push(bytes);
      this.#place = 'after-member';
    } else {
      const index = this.#index++;
      this.#found.push({ bytes, index, pointer: this.#inCollection ? `/${this.#member}/${index}` : `/${index}` });
      this.#place = 'after-element';
    }
  }

  #nameIn(bytes: Buffer): string {
    try {
      return String(JSON.parse(bytes.toString()));
    } catch {
      throw new MalformedExport('A property name is not JSON.', this.#index);
    }
  }

  #unexpected(byte: number): MalformedExport {
    const shown = byte > 0x20 && byte < 0x7f ? `"${String.fromCharCode(byte)}"` : `byte 0x${byte.toString(16)}`;
    const where = this.#place === 'root' ? 'at its start' : `after resource ${this.#index}`;
    return new MalformedExport(`The file is not JSON: unexpected ${shown} ${where}.`, this.#index);
  }
}
