import type { Socket } from 'node:net';
import { Deflater, Inflater } from './deflate.ts';
import type { FaultName } from './faults.ts';
import { Utf8 } from './utf8.ts';

/** Agreement on permessage-deflate, from the view of one endpoint. */
export interface DeflateTerms {
  /** True if our messages are deflated without context takeover. */
  readonly ownNoContext: boolean;
  readonly ownWindowBits: number;
  /** True if the other side's messages are deflated without context takeover. */
  readonly otherNoContext: boolean;
}

export interface PeerOptions {
  readonly role: 'server' | 'client';
  readonly faults: ReadonlySet<FaultName>;
  /** Undefined if not negotiated. */
  readonly deflate: DeflateTerms | undefined;
}

interface Header {
  readonly isFinal: boolean;
  readonly rsv: number;
  readonly opcode: number;
  readonly length: number;
  readonly key: Buffer | undefined;
  /** Length of the header itself. */
  readonly size: number;
}

/** Current message, whose first frame has arrived. */
interface Message {
  readonly isText: boolean;
  readonly isDeflated: boolean;
  readonly utf8: Utf8;
  readonly fragments: Buffer[][];
  octets: number;
}

const MIB = 1024 * 1024;
const empty: Buffer = Buffer.alloc(0);
const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Violation with the close code of the answer. */
class Violation extends Error {
  readonly code: number;

  constructor(code: number) {
    super(`closes with ${code}`);
    this.code = code;
  }
}

/**
 * One end of a WebSocket that echoes messages, correct except for the given faults. Written for the tests of the
 * conformance runner, so it shares no code with the library or the runner.
 */
export class EchoPeer {
  readonly #socket: Socket;
  readonly #role: 'server' | 'client';
  readonly #faults: ReadonlySet<FaultName>;
  readonly #deflater: Deflater | undefined;
  readonly #inflater: Inflater | undefined;
  /** Received data that was not processed yet. Pieces are joined only if a header spans them. */
  #input: Buffer = empty;
  #header: Header | undefined;
  /** Number of received payload octets of the current frame. */
  #taken = 0;
  #control: Buffer[] = [];
  /** Control frame with continuations, and the fault that allows it. */
  #fragmentedControl: { opcode: number; parts: Buffer[] } | undefined;
  #message: Message | undefined;
  #hasSentClose = false;
  #isDeaf = false;
  #pendingPong: Buffer | undefined;
  #pongTimer: NodeJS.Timeout | undefined;

  constructor(socket: Socket, options: PeerOptions) {
    this.#socket = socket;
    this.#role = options.role;
    this.#faults = options.faults;
    const { deflate } = options;
    if (deflate !== undefined) {
      const keepsContext = !deflate.ownNoContext || this.#has('context taken over against the agreement');
      const windowBits = this.#has('window larger than agreed') ? 15 : deflate.ownWindowBits;
      this.#deflater = new Deflater(windowBits, keepsContext);
      this.#inflater = new Inflater(!deflate.otherNoContext && !this.#has('context forgotten'));
    }
  }

  /** Echoes until the connection has ended. `head` is the data behind the handshake. */
  async run(head: Buffer): Promise<void> {
    try {
      await this.#receive(head);
      for await (const chunk of this.#socket) await this.#receive(chunk as Buffer);
    } catch {
      // The other side ended the connection, as fuzzers do.
    } finally {
      clearTimeout(this.#pongTimer);
      this.#deflater?.close();
      this.#inflater?.close();
      this.#socket.destroy();
    }
  }

  #has(fault: FaultName): boolean {
    return this.#faults.has(fault);
  }

  /** True for a fault that shows at certain lengths. Inactive with compression, because lengths then depend on zlib. */
  #hasPlainly(fault: FaultName): boolean {
    return this.#inflater === undefined && this.#has(fault);
  }

  async #receive(chunk: Buffer): Promise<void> {
    if (this.#isDeaf) return;
    this.#input = this.#input.length === 0 ? chunk : Buffer.concat([this.#input, chunk]);
    try {
      while (!this.#isDeaf && (await this.#step()));
    } catch (error) {
      if (!(error instanceof Violation)) throw error;
      this.#fail(error.code);
    }
  }

  /** Processes a header, or a part of a payload. Returns false if there is not enough data. */
  async #step(): Promise<boolean> {
    if (this.#header === undefined) {
      const header = readHeader(this.#input);
      if (header === undefined) return false;
      this.#input = this.#input.subarray(header.size);
      this.#check(header);
      this.#header = header;
      this.#begin(header);
    }
    const { length, key } = this.#header;
    const part = this.#input.subarray(0, length - this.#taken);
    if (part.length === 0 && length > this.#taken) return false;
    this.#input = this.#input.subarray(part.length);
    this.#take(key === undefined ? part : this.#unmask(part, key, this.#taken));
    this.#taken += part.length;
    if (this.#taken === length) await this.#end();
    return true;
  }

  #unmask(part: Buffer, key: Buffer, offset: number): Buffer {
    const { length } = this.#header!;
    const isWrong =
      (length > 125 && length < 65_536 && this.#hasPlainly('16-bit lengths unmasked wrongly')) ||
      (length > 65_535 && this.#hasPlainly('64-bit lengths unmasked wrongly'));
    const shift = isWrong ? offset + 1 : offset;
    const plain = Buffer.allocUnsafe(part.length);
    for (let index = 0; index < part.length; index++) plain[index] = part[index]! ^ key[(index + shift) & 3]!;
    return plain;
  }

  /** Checks the rules for a header (RFC 6455 §5.2, 5.4, 5.5). */
  #check({ isFinal, rsv, opcode, length, key }: Header): void {
    const isControl = opcode >= 8;
    const isContinuation = opcode === 0;
    if ((key !== undefined) !== (this.#role === 'server')) throw new Violation(1002);
    const allowed = this.#inflater !== undefined && !isControl && !isContinuation ? 4 : 0;
    if ((rsv & ~allowed) !== 0 && !this.#has('RSV bits accepted')) throw new Violation(1002);
    const isReserved = (opcode > 2 && opcode < 8) || opcode > 10;
    if (isReserved && !this.#has('reserved opcodes accepted')) throw new Violation(1002);
    if (isReserved) return;
    if (isControl && !isFinal && !this.#has('fragmented control frames accepted')) throw new Violation(1002);
    if (isControl && length > 125 && !this.#has('long control frames accepted')) throw new Violation(1002);
    if (isControl && this.#message !== undefined && this.#has('control frames between fragments refused'))
      throw new Violation(1002);
    if (isControl || this.#fragmentedControl !== undefined) return;
    if (isContinuation && this.#message === undefined && !this.#has('stray continuations accepted'))
      throw new Violation(1002);
    if (!isContinuation && this.#message !== undefined && !this.#has('message within a message accepted'))
      throw new Violation(1002);
    const octets = (isContinuation ? (this.#message?.octets ?? 0) : 0) + length;
    if (octets > MIB && this.#has('messages limited to 1 MiB')) throw new Violation(1009);
  }

  #begin({ opcode, rsv }: Header): void {
    this.#taken = 0;
    this.#control = [];
    if (opcode === 1 || opcode === 2) {
      this.#message = {
        isText: opcode === 1,
        isDeflated: this.#inflater !== undefined && (rsv & 4) !== 0,
        utf8: new Utf8({
          surrogates: this.#has('surrogates accepted'),
          overlong: this.#has('overlong UTF-8 accepted'),
          beyondUnicode: this.#has('UTF-8 beyond U+10FFFF accepted'),
          unfinished: this.#has('unfinished UTF-8 accepted'),
          refusesNoncharacters: this.#has('noncharacters refused'),
        }),
        fragments: [[]],
        octets: 0,
      };
    } else if (opcode === 0) {
      this.#message?.fragments.push([]);
    }
  }

  #take(part: Buffer): void {
    const { opcode } = this.#header!;
    if (opcode > 2 || this.#fragmentedControl !== undefined) {
      this.#control.push(part);
      return;
    }
    const message = this.#message;
    if (message === undefined) return;
    message.octets += part.length;
    message.fragments.at(-1)!.push(part);
    const checksLater =
      this.#has('UTF-8 unchecked') ||
      this.#has('UTF-8 checked at the end of the message') ||
      this.#has('UTF-8 checked at the end of the frame');
    if (message.isText && !message.isDeflated && !checksLater) this.#validate(message.utf8, part);
  }

  #validate(utf8: Utf8, octets: Buffer): void {
    if (!utf8.accepts(octets)) throw new Violation(this.#has('bad UTF-8 closes with 1002') ? 1002 : 1007);
  }

  /** Handles the end of a frame. */
  async #end(): Promise<void> {
    const { opcode, isFinal, length } = this.#header!;
    this.#header = undefined;
    if (this.#fragmentedControl !== undefined && opcode === 0) {
      const { opcode: of, parts } = this.#fragmentedControl;
      parts.push(...this.#control);
      if (!isFinal) return;
      this.#fragmentedControl = undefined;
      this.#endControl(of, Buffer.concat(parts));
      return;
    }
    if (opcode >= 8) {
      if (isFinal) this.#endControl(opcode, Buffer.concat(this.#control));
      else this.#fragmentedControl = { opcode, parts: this.#control };
      return;
    }
    const message = this.#message;
    if (message === undefined || opcode > 2) return;
    if (this.#has('UTF-8 checked at the end of the frame') && message.isText && !message.isDeflated)
      this.#validate(message.utf8, Buffer.concat(message.fragments.at(-1)!));
    const isFragment = opcode === 0 || !isFinal;
    if (isFragment && length === 0 && this.#has('empty fragments lost')) return;
    if (!isFinal) return;
    this.#message = undefined;
    await this.#endMessage(message);
  }

  async #endMessage(message: Message): Promise<void> {
    const fragments = message.fragments.map((parts) => Buffer.concat(parts));
    if (fragments.length > 1 && this.#hasPlainly('fragments reordered')) fragments.reverse();
    if (fragments.length > 1 && this.#hasPlainly('last fragment lost')) fragments.pop();
    let data: Buffer = Buffer.concat(fragments);
    if (message.isDeflated) {
      data = await this.#inflater!.inflate(data).catch(() => {
        if (!this.#has('garbage accepted as compressed')) throw new Violation(1007);
        return empty;
      });
    }
    if (message.isText && !this.#has('UTF-8 unchecked')) {
      const isUnchecked = message.isDeflated || this.#has('UTF-8 checked at the end of the message');
      if (isUnchecked) this.#validate(message.utf8, data);
      if (!message.utf8.isComplete()) throw new Violation(this.#has('bad UTF-8 closes with 1002') ? 1002 : 1007);
    }
    await this.#echo(message.isText, data);
  }

  async #echo(isText: boolean, data: Buffer): Promise<void> {
    if (this.#hasSentClose && !this.#has('echoes after its close frame')) return;
    this.#flushPong();
    if (this.#has('slow but correct')) await pause(2);
    const times = this.#has('echoes twice') ? 2 : 1;
    for (let time = 0; time < times; time++)
      await this.#sendMessage(isText && !this.#has('text echoed as binary'), data);
  }

  async #sendMessage(isText: boolean, data: Buffer): Promise<void> {
    let payload = data;
    let rsv = 0;
    if (this.#has('long messages cut') && payload.length > 65_535) payload = payload.subarray(0, 65_535);
    if (this.#deflater !== undefined) {
      rsv = 4;
      if (!this.#has('compressed flag on plain data')) payload = await this.#deflater.deflate(data);
      if (this.#has('end of compressed data corrupt')) payload = Buffer.concat([payload, Buffer.from('06', 'hex')]);
    }
    const opcode = isText ? 1 : 2;
    if (!this.#has('fragments its echoes')) return this.#send(opcode, payload, { rsv });
    const size = Math.max(1, Math.ceil(payload.length / 3));
    this.#send(opcode, payload.subarray(0, size), { rsv, isFinal: false });
    this.#send(0, payload.subarray(size, 2 * size), { isFinal: false });
    this.#send(0, empty, { isFinal: false });
    this.#send(0, payload.subarray(2 * size));
  }

  #endControl(opcode: number, payload: Buffer): void {
    if (opcode === 9) this.#ping(payload);
    else if (opcode === 8) this.#closed(payload);
    else if (opcode === 10 && this.#has('pongs answered')) this.#send(10, payload);
  }

  #ping(payload: Buffer): void {
    if (this.#has('pings unanswered')) return;
    if (this.#hasSentClose && !this.#has('echoes after its close frame')) return;
    if (this.#has('only the latest ping answered')) {
      this.#pendingPong = payload;
      this.#pongTimer ??= setTimeout(() => this.#flushPong(), 300);
      return;
    }
    this.#send(this.#has('pings answered with pings') ? 9 : 10, this.#has('pongs empty') ? empty : payload);
  }

  #flushPong(): void {
    clearTimeout(this.#pongTimer);
    this.#pongTimer = undefined;
    if (this.#pendingPong !== undefined) this.#send(10, this.#pendingPong);
    this.#pendingPong = undefined;
  }

  /** Handles a close frame (RFC 6455 §5.5.1, 7.4). */
  #closed(payload: Buffer): void {
    if (this.#hasSentClose) return;
    if (payload.length === 1 && !this.#has('close payload of one octet accepted')) throw new Violation(1002);
    const code = payload.length > 1 ? payload.readUInt16BE(0) : undefined;
    if (code !== undefined && !isValidCloseCode(code) && !this.#has('invalid close codes accepted'))
      throw new Violation(1002);
    const reason = new Utf8();
    const isValidReason = reason.accepts(payload.subarray(2)) && reason.isComplete();
    if (!isValidReason && !this.#has('bad UTF-8 in close reasons accepted')) throw new Violation(1007);
    this.#flushPong();
    if (this.#has('closes without a close frame')) this.#socket.end();
    // Later data is still processed in the meantime, as if no close frame had arrived.
    else if (this.#has('close frames answered late')) setTimeout(() => this.#answerClose(payload, code), 100);
    else this.#answerClose(payload, code);
  }

  #answerClose(payload: Buffer, code: number | undefined): void {
    let answer = payload.subarray(0, 2);
    if (payload.length === 1) answer = closePayload(1000);
    if (this.#has('close answered without a code')) answer = empty;
    if (this.#has('close answered with another code')) answer = closePayload(4321);
    if (code === undefined && this.#has('close answered with 1005')) answer = closePayload(1005);
    if (this.#has('close unanswered')) this.#isDeaf = true;
    else this.#send(8, answer);
    this.#hasSentClose = true;
    if (this.#has('close unanswered') || this.#has('TCP connection left open')) return;
    if (this.#has('echoes after its close frame')) setTimeout(() => this.#socket.end(), 300);
    // The server ends the TCP connection (§7.1.1).
    else if (this.#role === 'server') this.#socket.end();
  }

  #fail(code: number): void {
    this.#isDeaf = true;
    if (this.#has('falls silent at errors')) return;
    const isCloseFrameSent = !this.#has('closes without a close frame') && !this.#has('errors drop the connection');
    if (isCloseFrameSent && !this.#hasSentClose) this.#send(8, closePayload(code));
    this.#hasSentClose = true;
    if (!this.#has('TCP connection left open')) this.#socket.end();
  }

  #send(opcode: number, payload: Buffer, { rsv = 0, isFinal = true } = {}): void {
    const isMasked = (this.#role === 'client') !== this.#has('masked the wrong way');
    const key = isMasked ? Buffer.from([0x37, 0xfa, 0x21, 0x3d]) : undefined;
    const octets = Buffer.concat([
      this.#writeHeader(opcode, payload.length, rsv, isFinal, isMasked),
      ...(key === undefined ? [payload] : [key, mask(payload, key)]),
    ]);
    if (!this.#has('writes octet by octet') || octets.length > 300) this.#write(octets);
    else for (const octet of octets) this.#write(Buffer.from([octet]));
  }

  #write(octets: Buffer): void {
    if (this.#socket.writable) this.#socket.write(octets);
  }

  #writeHeader(opcode: number, length: number, rsv: number, isFinal: boolean, isMasked: boolean): Buffer {
    const first = (isFinal ? 0x80 : 0) | (rsv << 4) | opcode;
    const bit = isMasked ? 0x80 : 0;
    const isLongest = length > 65_535 || (length > 125 && this.#hasPlainly('lengths not minimal'));
    if (isLongest) {
      const header = Buffer.from([first, bit | 127, 0, 0, 0, 0, 0, 0, 0, 0]);
      header.writeUInt32BE(length, 6);
      return header;
    }
    if (length <= 125) return Buffer.from([first, bit | length]);
    const header = Buffer.from([first, bit | 126, 0, 0]);
    if (this.#hasPlainly('16-bit lengths little-endian')) header.writeUInt16LE(length, 2);
    else header.writeUInt16BE(length, 2);
    return header;
  }
}

function readHeader(input: Buffer): Header | undefined {
  if (input.length < 2) return undefined;
  const [first, second] = [input[0]!, input[1]!];
  const short = second & 0x7f;
  const isMasked = (second & 0x80) !== 0;
  const lengthSize = short === 127 ? 8 : short === 126 ? 2 : 0;
  const size = 2 + lengthSize + (isMasked ? 4 : 0);
  if (input.length < size) return undefined;
  const length = short === 127 ? Number(input.readBigUInt64BE(2)) : short === 126 ? input.readUInt16BE(2) : short;
  return {
    isFinal: (first & 0x80) !== 0,
    rsv: (first >> 4) & 7,
    opcode: first & 15,
    length,
    key: isMasked ? input.subarray(size - 4, size) : undefined,
    size,
  };
}

function mask(payload: Buffer, key: Buffer): Buffer {
  const masked = Buffer.allocUnsafe(payload.length);
  for (let index = 0; index < payload.length; index++) masked[index] = payload[index]! ^ key[index & 3]!;
  return masked;
}

function closePayload(code: number): Buffer {
  return Buffer.from([code >> 8, code & 0xff]);
}

function isValidCloseCode(code: number): boolean {
  if (code >= 3000 && code <= 4999) return true;
  return code >= 1000 && code <= 1014 && code !== 1004 && code !== 1005 && code !== 1006;
}
