import { kMaxLength } from 'node:buffer';
import { constants, createDeflateRaw, createInflateRaw, deflateRawSync, inflateRawSync } from 'node:zlib';

/** What a deflater is made with: zlib's options of the same names. What is left out is zlib's default. */
export interface RawDeflateOptions {
  /** Base-2 logarithm of the window, 8–15; zlib takes 9 for 8. */
  readonly windowBits: number;
  /** 0–9; -1 is zlib's default. */
  readonly level?: number | undefined;
  /** 1–9. */
  readonly memLevel?: number | undefined;
  /** One of zlib's `Z_*` strategies. */
  readonly strategy?: number | undefined;
  /** What the window holds at the beginning. */
  readonly dictionary?: NodeJS.ArrayBufferView | undefined;
}

/** What an inflater is made with: zlib's options of the same names. */
export interface RawInflateOptions {
  /** Base-2 logarithm of the window, 8–15. */
  readonly windowBits: number;
  /** What the window holds at the beginning. */
  readonly dictionary?: NodeJS.ArrayBufferView | undefined;
}

/** One DEFLATE stream, which is written a flushed piece at a time. Holds zlib's memory from the first piece on. */
export interface RawDeflater {
  /**
   * Compresses a piece, not an empty one, with the window that the pieces before it left, and flushes. The octets `00 00 ff ff`, with
   * which a flush ends, are left out. The result is the caller's. After an error the window is empty.
   * @throws zlib's errors, for options that it does not take, and for want of memory.
   */
  deflate(octets: Uint8Array): Buffer;
  /**
   * Begins a new stream: the window is as it was at first. (Whether zlib finds a match in the last octets of a piece may still depend on
   * what its memory held before, so that it makes an octet more or less of the same piece. It reads as the same.)
   */
  reset(): void;
  /** Frees what zlib holds; a next piece begins a new stream. */
  close(): void;
}

/** One DEFLATE stream after the other, read a flushed piece at a time. Holds zlib's memory from the first piece on. */
export interface RawInflater {
  /**
   * Where the last piece was left: its length, or where in it a final block ended the stream. What lies behind that is to be read after
   * {@link reset}.
   */
  readonly end: number;
  /**
   * Inflates a piece from `start` on, and at its end the octets `00 00 ff ff`, which its compressor left out. Null when more than
   * `maxLength` octets come out, of which at most one is made. The result is the caller's. After null and errors, {@link reset}.
   * @throws an error with zlib's code: `Z_DATA_ERROR` when the octets are not DEFLATE, `Z_BUF_ERROR` when they end within a block.
   */
  inflate(octets: Uint8Array, start: number, maxLength: number): Buffer | null;
  /**
   * What comes out of the beginning of a message whose end has not come yet, up to the first final block. Null as {@link inflate}.
   * {@link reset} in any case.
   * @throws an error with zlib's code `Z_DATA_ERROR` when the octets are not DEFLATE.
   */
  peek(octets: Uint8Array, maxLength: number): Buffer | null;
  /** Begins a new stream: the window is as it was at first. */
  reset(): void;
  /** Frees what zlib holds; a next piece begins a new stream. */
  close(): void;
}

/** One way to have zlib work synchronously. */
export interface ZlibRung {
  readonly name: string;
  /** Whether it works with this Node. */
  works(): boolean;
  createDeflater(options: RawDeflateOptions): RawDeflater;
  createInflater(options: RawInflateOptions): RawInflater;
}

/** With which a sync flush ends (RFC 7692 §7.2.1, §7.2.2). */
const tail = Buffer.of(0x00, 0x00, 0xff, 0xff);

/** zlib's other options, which a program may have given too, are for streams. */
function pickDeflateOptions({
  windowBits,
  level,
  memLevel,
  strategy,
  dictionary,
}: RawDeflateOptions): RawDeflateOptions {
  return { windowBits, level, memLevel, strategy, dictionary };
}

function pickInflateOptions({ windowBits, dictionary }: RawInflateOptions): RawInflateOptions {
  return { windowBits, dictionary };
}

function zlibError(message: string, errno: number, code: string): Error {
  return Object.assign(new Error(message), { errno, code });
}

/** The words and the code are zlib's. */
function truncated(): Error {
  return zlibError('unexpected end of file', constants.Z_BUF_ERROR, 'Z_BUF_ERROR');
}

// ——— The upper rung: zlib streams, used through their handles ———
//
// `_handle.writeSync`, `_handle.reset`, `_handle.onerror` and `_writeState` are not documented. They are used because nothing that is
// can call zlib twice on one state without a turn through the thread pool (5 to 30 times the cost for 1 KiB), or can keep a state (of
// 64 to 256 KiB, cleared each time) between calls that are synchronous. They are the same in Node 20, 22, 24 and 26. Their names stand
// in this file alone, and a self-test decides whether they are used.

interface ZlibHandle {
  writeSync(
    flush: number,
    input: Uint8Array,
    inputStart: number,
    inputLength: number,
    output: Uint8Array,
    outputStart: number,
    outputLength: number,
  ): void;
  reset(): void;
  onerror: (message: string, errno: number, code: string) => void;
}

interface ZlibStream {
  readonly _handle: ZlibHandle;
  /** After a write: what is left of the room for output, and what of the input. */
  readonly _writeState: Uint32Array;
  close(): void;
}

/** The two functions of `node:zlib` whose streams have handles. */
export interface ZlibStreams {
  createDeflateRaw: (options: object) => object;
  createInflateRaw: (options: object) => object;
}

/** A stream never writes for itself here: the smallest buffer there is saves 16 KiB. */
const streamOptions = { chunkSize: constants.Z_MIN_CHUNK } as const;

/**
 * First in which all output lands, and is copied from: the room that an answer needs is not known before. One is enough for all, as
 * nobody else runs between a write and the copy; that holds for all shared state here: every call is synchronous and calls nobody back.
 */
const scratchSize = 65_536;
let scratch: Buffer | null = null;

function takeScratch(): Buffer {
  scratch ??= Buffer.allocUnsafeSlow(scratchSize);
  return scratch;
}

function copyOf(output: Buffer, length: number): Buffer {
  const copy = Buffer.allocUnsafe(length);
  output.copy(copy, 0, 0, length);
  return copy;
}

/** The handle of a zlib stream. */
class SyncZlib {
  // Held so that it is not collected, and its handle with it.
  readonly #stream: ZlibStream;
  readonly #handle: ZlibHandle;
  readonly #state: Uint32Array;
  #failure: Error | null = null;

  /** @throws TypeError when the stream is not as it is known to be. */
  constructor(made: object) {
    const stream = made as ZlibStream;
    const { _handle: handle, _writeState: state } = stream;
    if (
      typeof handle?.writeSync !== 'function' ||
      typeof handle.reset !== 'function' ||
      !(state instanceof Uint32Array)
    )
      throw new TypeError('This zlib stream has no handle that is known');
    // The stream's own listener would destroy it.
    handle.onerror = (message, errno, code) => {
      this.#failure = zlibError(message, errno, code);
    };
    this.#stream = stream;
    this.#handle = handle;
    this.#state = state;
  }

  /** What was left of the output's room by the last write. */
  get roomLeft(): number {
    return this.#state[0] as number;
  }

  /** What was left of the input by the last write. */
  get inputLeft(): number {
    return this.#state[1] as number;
  }

  write(
    flush: number,
    input: Uint8Array,
    start: number,
    length: number,
    output: Buffer,
    at: number,
    room: number,
  ): void {
    this.#handle.writeSync(flush, input, start, length, output, at, room);
    this.#check();
  }

  reset(): void {
    this.#handle.reset();
    this.#check();
  }

  close(): void {
    this.#stream.close();
  }

  #check(): void {
    if (this.#failure !== null) throw this.#failure;
  }
}

class HandleDeflater implements RawDeflater {
  readonly #create: () => object;
  #zlib: SyncZlib | null = null;

  constructor(create: () => object) {
    this.#create = create;
  }

  deflate(octets: Uint8Array): Buffer {
    this.#zlib ??= new SyncZlib(this.#create());
    try {
      return deflatePiece(this.#zlib, octets);
    } catch (error) {
      // Not all errors can be got over by a reset. Without memory at its first write, a handle must not be touched again.
      this.close();
      throw error;
    }
  }

  reset(): void {
    this.#zlib?.reset();
  }

  close(): void {
    this.#zlib?.close();
    this.#zlib = null;
  }
}

function deflatePiece(zlib: SyncZlib, octets: Uint8Array): Buffer {
  const output = takeScratch();
  const chunks: Buffer[] = [];
  let left = octets.length;
  for (;;) {
    zlib.write(constants.Z_SYNC_FLUSH, octets, octets.length - left, left, output, 0, scratchSize);
    if (zlib.roomLeft > 0) break;
    chunks.push(copyOf(output, scratchSize));
    left = zlib.inputLeft;
  }
  const length = scratchSize - zlib.roomLeft;
  if (chunks.length === 0) return copyOf(output, length - tail.length);
  chunks.push(output.subarray(0, length));
  return Buffer.concat(chunks, chunks.length * scratchSize - zlib.roomLeft - tail.length);
}

/** The tail, and an octet that is not to be read: it shows where zlib has stopped. */
const watchedTail = Buffer.of(...tail, 0xff);

const noOutput: Buffer = Buffer.alloc(0);

class HandleInflater implements RawInflater {
  end = 0;
  readonly #create: () => object;
  #zlib: SyncZlib | null = null;
  /** Where output goes, how much of it may be used, and how much is. */
  #output = noOutput;
  #room = 0;
  #filled = 0;
  /** What came before, copied. */
  #chunks: Buffer[] = [];
  #chunked = 0;

  constructor(create: () => object) {
    this.#create = create;
  }

  inflate(octets: Uint8Array, start: number, maxLength: number): Buffer | null {
    return this.#run(maxLength, (zlib, most) => this.#read(zlib, octets, start, most));
  }

  peek(octets: Uint8Array, maxLength: number): Buffer | null {
    return this.#run(maxLength, (zlib, most) => this.#write(zlib, constants.Z_SYNC_FLUSH, octets, 0, most) >= 0);
  }

  /** `read` says whether the output was not too long. */
  #run(maxLength: number, read: (zlib: SyncZlib, most: number) => boolean): Buffer | null {
    // First, because an async hook of the application runs in it. Otherwise a message that is inflated there would show in this one.
    this.#zlib ??= new SyncZlib(this.#create());
    // One octet too many is enough to know.
    const most = Math.min(maxLength, kMaxLength - 1) + 1;
    this.#output = takeScratch();
    this.#room = Math.min(scratchSize, most);
    this.#filled = 0;
    try {
      return read(this.#zlib, most) ? this.#collect() : null;
    } catch (error) {
      this.close();
      throw error;
    } finally {
      if (this.#chunked > 0) {
        this.#chunks = [];
        this.#chunked = 0;
        this.#output = noOutput;
      }
    }
  }

  /** False when there is too much. */
  #read(zlib: SyncZlib, octets: Uint8Array, start: number, most: number): boolean {
    const left = this.#write(zlib, constants.Z_SYNC_FLUSH, octets, start, most);
    if (left < 0) return false;
    this.end = octets.length - left;
    if (left > 0) return true;
    // At the end of a block, Z_BLOCK stops: that is the block whose header the message ends with, or the tail has been read as data.
    const tailLeft = this.#write(zlib, constants.Z_BLOCK, watchedTail, 0, most);
    // A final block that ends with the message leaves all of it, as there is nothing for it to end.
    if (tailLeft === 1 || tailLeft === watchedTail.length) return true;
    if (tailLeft < 0) return false;
    throw truncated();
  }

  /** Writes all input, unless the stream ends. Gives what is left of it; less than 0 when there is too much output. */
  #write(zlib: SyncZlib, flush: number, input: Uint8Array, start: number, most: number): number {
    for (let left = input.length - start; ; left = zlib.inputLeft) {
      const room = this.#room - this.#filled;
      zlib.write(flush, input, input.length - left, left, this.#output, this.#filled, room);
      this.#filled = this.#room - zlib.roomLeft;
      if (zlib.roomLeft > 0) return zlib.inputLeft;
      if (this.#chunked + this.#filled === most) return -1;
      this.#grow(most);
    }
  }

  /** As much room again as there was. */
  #grow(most: number): void {
    this.#chunks.push(this.#chunked === 0 ? copyOf(this.#output, this.#filled) : this.#output);
    this.#chunked += this.#filled;
    this.#room = Math.min(this.#chunked, most - this.#chunked);
    this.#output = Buffer.allocUnsafeSlow(this.#room);
    this.#filled = 0;
  }

  #collect(): Buffer {
    if (this.#chunked === 0) return copyOf(this.#output, this.#filled);
    this.#chunks.push(this.#output);
    return Buffer.concat(this.#chunks, this.#chunked + this.#filled);
  }

  reset(): void {
    this.#zlib?.reset();
  }

  close(): void {
    this.#zlib?.close();
    this.#zlib = null;
  }
}

/** "Hello" as RFC 7692 §7.2.3.1 compresses it, and as §7.2.3.2 does a second time. */
const hello = Buffer.from('f248cdc9c90700', 'hex');
const helloAgain = Buffer.from('f200110000', 'hex');
const helloFinal = Buffer.from('f348cdc9c9070000', 'hex');

function passesSelfTest({ createInflateRaw }: ZlibStreams, rung: ZlibRung): boolean {
  try {
    // First alone: the others would go on for ever if a write did not say what it has done.
    const zlib = new SyncZlib(createInflateRaw({ ...streamOptions, windowBits: 15 }));
    zlib.write(constants.Z_SYNC_FLUSH, hello, 0, hello.length, Buffer.alloc(8), 0, 8);
    const says = [zlib.roomLeft, zlib.inputLeft];
    zlib.close();
    return says.join() === '3,0' && deflatesAndForgets(rung) && inflatesAndRecovers(rung);
  } catch {
    return false;
  }
}

/** Which octets a version of zlib deflates to is its own affair. */
function deflatesAndForgets(rung: ZlibRung): boolean {
  const text = Buffer.from('Hello, hello, hello. ');
  const read = (octets: Buffer): string =>
    inflateRawSync(Buffer.concat([octets, tail]), { finishFlush: constants.Z_SYNC_FLUSH }).toString();
  const deflater = rung.createDeflater({ windowBits: 15 });
  const first = deflater.deflate(text);
  const second = deflater.deflate(text);
  deflater.reset();
  const third = deflater.deflate(text);
  deflater.close();
  const isStream = read(Buffer.concat([first, tail, second])) === `${text}${text}`;
  return isStream && second.length < first.length && read(third) === `${text}`;
}

function inflatesAndRecovers(rung: ZlibRung): boolean {
  const inflater = rung.createInflater({ windowBits: 15 });
  const read = (octets: Buffer, maxLength: number): string => {
    try {
      const output = inflater.inflate(octets, 0, maxLength);
      return output === null ? 'too long' : `${output} ${inflater.end}`;
    } catch (error) {
      return String((error as { code?: unknown }).code);
    }
  };
  const found = [read(hello, 5), read(helloAgain, 5), read(helloFinal, 5)];
  inflater.reset();
  // The window is gone; then too long, too short, and well again.
  found.push(read(helloAgain, 5), read(hello, 4));
  inflater.reset();
  found.push(read(hello.subarray(0, 4), 5), read(hello, 5));
  inflater.close();
  return found.join() === 'Hello 7,Hello 5,Hello 7,Z_DATA_ERROR,too long,Z_BUF_ERROR,Hello 7';
}

/** The rung over handles of streams. `streams` is there for tests, which have others than Node's. */
export function handleRungOver(streams: ZlibStreams): ZlibRung {
  const rung: ZlibRung = {
    name: 'handle',
    works: () => passesSelfTest(streams, rung),
    createDeflater: (options) => {
      const zlibOptions = { ...pickDeflateOptions(options), ...streamOptions };
      return new HandleDeflater(() => streams.createDeflateRaw(zlibOptions));
    },
    createInflater: (options) => {
      const zlibOptions = { ...pickInflateOptions(options), ...streamOptions };
      return new HandleInflater(() => streams.createInflateRaw(zlibOptions));
    },
  };
  return rung;
}

/** zlib through the handles of its streams: a state is kept from call to call. */
export const handleRung: ZlibRung = handleRungOver({ createDeflateRaw, createInflateRaw });

// ——— The lower rung: what is documented ———
//
// A stream for every call, with a window that is carried on as its dictionary.

type Octets = Uint8Array | undefined;

function toOctets(view: NodeJS.ArrayBufferView | undefined): Octets {
  return view && new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

/** The octets that are in reach after `next`. */
function slide(window: Octets, next: Uint8Array, windowBits: number): Uint8Array {
  const octets = window === undefined ? Buffer.from(next) : Buffer.concat([window, next]);
  return octets.length > 1 << windowBits ? Buffer.from(octets.subarray(-(1 << windowBits))) : octets;
}

class DocumentedDeflater implements RawDeflater {
  readonly #options: RawDeflateOptions;
  #window: Octets;

  constructor(options: RawDeflateOptions) {
    this.#options = options;
    this.#window = toOctets(options.dictionary);
  }

  deflate(octets: Uint8Array): Buffer {
    const options = { ...this.#options, dictionary: this.#window, finishFlush: constants.Z_SYNC_FLUSH };
    const output = deflateRawSync(octets, options);
    this.#window = slide(this.#window, octets, this.#options.windowBits);
    return withoutTail(output);
  }

  reset(): void {
    this.#window = toOctets(this.#options.dictionary);
  }

  close(): void {
    this.reset();
  }
}

/**
 * The tail, and a final block that is empty: if it is read as such, the message has ended where a block does. It has no compression, as
 * the other kind of empty block can be the end of one that began before.
 */
export const finalTail: Buffer = Buffer.of(...tail, 0x01, ...tail);

/**
 * What is left of a message once a stream that was given it and {@link finalTail} has ended: `rest` octets of the message itself, behind a
 * final block in it. `isOver` says that the stream ended by such a block, be it the last, and its window with it.
 * @param left Octets that the stream has not taken.
 * @throws an error with the code `Z_BUF_ERROR` when the message ends within a block.
 */
export function endOfMessage(left: number): { rest: number; isOver: boolean } {
  if (left === 0) return { rest: 0, isOver: false };
  // The tail has not been looked at, or it is what ended the stream.
  if (left >= finalTail.length || left === finalTail.length - tail.length)
    return { rest: Math.max(0, left - finalTail.length), isOver: true };
  throw truncated();
}

/** A piece of DEFLATE without the octets with which its flush ended. */
export function withoutTail(deflated: Buffer): Buffer {
  return deflated.subarray(0, -tail.length);
}

/** Options of `createDeflateRaw` for a stream whose end is a flush. */
export function deflateStreamOptions(options: RawDeflateOptions): object {
  return { ...pickDeflateOptions(options), finishFlush: constants.Z_SYNC_FLUSH };
}

/** Options of `createInflateRaw` for a stream that is given a message and {@link finalTail}. */
export function inflateStreamOptions(options: RawInflateOptions): object {
  return pickInflateOptions(options);
}

const maxChunkSize = 16_384;

class DocumentedInflater implements RawInflater {
  end = 0;
  readonly #options: RawInflateOptions;
  #window: Octets;

  constructor(options: RawInflateOptions) {
    this.#options = options;
    this.#window = toOctets(options.dictionary);
  }

  inflate(octets: Uint8Array, start: number, maxLength: number): Buffer | null {
    const input = Buffer.concat([octets.subarray(start), finalTail]);
    const read = this.#read(input, maxLength);
    if (read === null) return null;
    const { rest, isOver } = endOfMessage(input.length - read.length);
    this.end = octets.length - rest;
    if (isOver) this.reset();
    else this.#window = slide(this.#window, read.output, this.#options.windowBits);
    return read.output;
  }

  peek(octets: Uint8Array, maxLength: number): Buffer | null {
    return this.#read(octets, maxLength, constants.Z_SYNC_FLUSH)?.output ?? null;
  }

  #read(
    input: Uint8Array,
    maxLength: number,
    finishFlush: number = constants.Z_FINISH,
  ): { output: Buffer; length: number } | null {
    try {
      const result: unknown = inflateRawSync(input, {
        windowBits: this.#options.windowBits,
        dictionary: this.#window,
        finishFlush,
        info: true,
        // How much it may overshoot, unless it is made to stop right behind the limit.
        chunkSize: Math.min(Math.max(maxLength + 1, constants.Z_MIN_CHUNK), maxChunkSize),
        maxOutputLength: Math.min(Math.max(maxLength, 1), kMaxLength),
      });
      const { buffer, engine } = result as { buffer: Buffer; engine: { bytesWritten: number } };
      return buffer.length > maxLength ? null : { output: buffer, length: engine.bytesWritten };
    } catch (error) {
      if ((error as { code?: unknown }).code === 'ERR_BUFFER_TOO_LARGE') return null;
      throw error;
    }
  }

  reset(): void {
    this.#window = toOctets(this.#options.dictionary);
  }

  close(): void {
    this.reset();
  }
}

/** zlib through `deflateRawSync` and `inflateRawSync`: several times the cost, and nothing that is not documented. */
export const documentedRung: ZlibRung = {
  name: 'documented',
  works: () => true,
  createDeflater: (options) => new DocumentedDeflater(pickDeflateOptions(options)),
  createInflater: (options) => new DocumentedInflater(pickInflateOptions(options)),
};

/** The first of the rungs that works; the documented one always does. */
export function chooseRung(rungs: readonly ZlibRung[]): ZlibRung {
  return rungs.find((rung) => rung.works()) ?? documentedRung;
}

let chosen: ZlibRung | null = null;

/**
 * The rung for this process. It is tested when it is first asked for: most programs never compress. `GOODWIRE_DOCUMENTED_ZLIB` in the
 * environment chooses the documented one untested: a future Node might end the process where the test has something to find out.
 */
export function zlibRung(): ZlibRung {
  chosen ??= process.env.GOODWIRE_DOCUMENTED_ZLIB === undefined ? chooseRung([handleRung]) : documentedRung;
  return chosen;
}
