import { kMaxLength } from 'node:buffer';
import { constants, createDeflateRaw, createInflateRaw, deflateRawSync, inflateRawSync } from 'node:zlib';

/** Options of a deflater, with zlib's names and defaults. */
export interface RawDeflateOptions {
  /** Base-2 logarithm of the window, 8–15; zlib uses 9 for 8. */
  readonly windowBits: number;
  /** 0–9; -1 is zlib's default. */
  readonly level?: number | undefined;
  /** 1–9. */
  readonly memLevel?: number | undefined;
  /** One of zlib's `Z_*` strategies. */
  readonly strategy?: number | undefined;
  /** Contents of the window at the beginning. */
  readonly dictionary?: NodeJS.ArrayBufferView | undefined;
}

/** Options of an inflater, with zlib's names. */
export interface RawInflateOptions {
  /** Base-2 logarithm of the window, 8–15. */
  readonly windowBits: number;
  /** Contents of the window at the beginning. */
  readonly dictionary?: NodeJS.ArrayBufferView | undefined;
}

/** One DEFLATE stream, written one flushed piece at a time. Holds zlib's memory from the first piece on. */
export interface RawDeflater {
  /**
   * Compresses a piece, which must not be empty, with the window left by earlier pieces, and flushes. The last octets
   * of the flush, `00 00 ff ff`, are omitted. The result belongs to the caller. After an error the window is empty.
   * @throws zlib's errors, for invalid options and if memory is exhausted.
   */
  deflate(octets: Uint8Array): Buffer;
  /**
   * Begins a new stream with the initial window. (Whether zlib finds a match in the last octets of a piece may still
   * depend on previous contents of its memory. The same piece may then take an octet more or less, and inflates to the
   * same data.)
   */
  reset(): void;
  /** Frees zlib's memory. The next piece begins a new stream. */
  close(): void;
}

/** A sequence of DEFLATE streams, read one flushed piece at a time. Holds zlib's memory from the first piece on. */
export interface RawInflater {
  /**
   * Offset at which the last piece stopped: its length, or the end of a final block, which ends the stream. Read the
   * octets behind a final block after {@link reset}.
   */
  readonly end: number;
  /**
   * Inflates a piece from `start` on, followed by the octets `00 00 ff ff`, which its compressor omitted. Returns null
   * for more than `maxLength` octets, of which at most one is produced. The result belongs to the caller. After null or
   * an error, call {@link reset}.
   * @throws an error with zlib's code: `Z_DATA_ERROR` if the octets are not DEFLATE, `Z_BUF_ERROR` if they end within a
   *   block.
   */
  inflate(octets: Uint8Array, start: number, maxLength: number): Buffer | null;
  /**
   * Inflates the beginning of an incomplete message, up to the first final block. Returns null as {@link inflate} does.
   * Call {@link reset} afterwards in every case.
   * @throws an error with zlib's code `Z_DATA_ERROR` if the octets are not DEFLATE.
   */
  peek(octets: Uint8Array, maxLength: number): Buffer | null;
  /** Begins a new stream with the initial window. */
  reset(): void;
  /** Frees zlib's memory. The next piece begins a new stream. */
  close(): void;
}

/** Interface for calling zlib synchronously. */
export interface ZlibRung {
  readonly name: string;
  /** True if this interface works with this version of Node. */
  works(): boolean;
  createDeflater(options: RawDeflateOptions): RawDeflater;
  createInflater(options: RawInflateOptions): RawInflater;
}

/** Last octets of a sync flush (RFC 7692 §7.2.1, §7.2.2). */
const tail = Buffer.of(0x00, 0x00, 0xff, 0xff);

/** Drops zlib's other options, which a program may have set and which only apply to streams. */
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

/** Error with the wording and the code of zlib. */
function truncated(): Error {
  return zlibError('unexpected end of file', constants.Z_BUF_ERROR, 'Z_BUF_ERROR');
}

// ——— Upper rung: zlib streams, used through their handles ———
//
// `_handle.writeSync`, `_handle.reset`, `_handle.onerror` and `_writeState` are not documented. The documented
// functions cannot call zlib twice on one state without the thread pool, which costs 5 to 30 times as much for 1 KiB.
// Nor can they keep a state (64 to 256 KiB, cleared each time) between synchronous calls. The undocumented names are
// the same in Node 20, 22, 24 and 26. They occur only in this file, and a self-test decides whether they are used.

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
  /** Room left in the output, and input left, after a write. */
  readonly _writeState: Uint32Array;
  close(): void;
}

/** The two functions of `node:zlib` that create streams with handles. */
export interface ZlibStreams {
  createDeflateRaw: (options: object) => object;
  createInflateRaw: (options: object) => object;
}

/** The minimum buffer saves 16 KiB per stream, because these streams are never used as streams. */
const streamOptions = { chunkSize: constants.Z_MIN_CHUNK } as const;

/**
 * Buffer that receives output first, because its length is not known before; results are copied from here. One buffer
 * is enough, because no other code runs between a write and the copy. The same holds for all shared state in this file:
 * calls are synchronous and call no callbacks.
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

/** Wraps the handle of a zlib stream. */
class SyncZlib {
  // Otherwise the stream would be garbage-collected, and its handle with it.
  readonly #stream: ZlibStream;
  readonly #handle: ZlibHandle;
  readonly #state: Uint32Array;
  #failure: Error | null = null;

  /** @throws TypeError if the stream does not have the expected handle. */
  constructor(made: object) {
    const stream = made as ZlibStream;
    const { _handle: handle, _writeState: state } = stream;
    if (
      typeof handle?.writeSync !== 'function' ||
      typeof handle.reset !== 'function' ||
      Object.prototype.toString.call(state) !== '[object Uint32Array]'
    )
      throw new TypeError('This zlib stream does not have the expected handle');
    // Otherwise the stream's own listener would destroy the stream.
    handle.onerror = (message, errno, code) => {
      this.#failure = zlibError(message, errno, code);
    };
    this.#stream = stream;
    this.#handle = handle;
    this.#state = state;
  }

  /** Room left in the output after the last write. */
  get roomLeft(): number {
    return this.#state[0] as number;
  }

  /** Input left after the last write. */
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
      // A reset does not recover from every error. If the first write ran out of memory, the handle must not be used
      // again.
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

/** The tail and one octet that must not be read, which shows where zlib stopped. */
const watchedTail = Buffer.of(...tail, 0xff);

const noOutput: Buffer = Buffer.alloc(0);

class HandleInflater implements RawInflater {
  end = 0;
  readonly #create: () => object;
  #zlib: SyncZlib | null = null;
  /** Current output buffer, its usable length, and its filled length. */
  #output = noOutput;
  #room = 0;
  #filled = 0;
  /** Earlier output, copied, and its total length below. */
  #chunks: Buffer[] = [];
  #chunked = 0;

  constructor(create: () => object) {
    this.#create = create;
  }

  inflate(octets: Uint8Array, start: number, maxLength: number): Buffer | null {
    return this.#run(maxLength, (zlib, maxOutput) => this.#read(zlib, octets, start, maxOutput));
  }

  peek(octets: Uint8Array, maxLength: number): Buffer | null {
    return this.#run(
      maxLength,
      (zlib, maxOutput) => this.#write(zlib, constants.Z_SYNC_FLUSH, octets, 0, maxOutput) >= 0,
    );
  }

  /** Runs `read`, which returns false if the output is too long. */
  #run(maxLength: number, read: (zlib: SyncZlib, maxOutput: number) => boolean): Buffer | null {
    // Created first, because it runs async hooks of the application. Otherwise a message inflated there would overwrite
    // the output of this one.
    this.#zlib ??= new SyncZlib(this.#create());
    // One octet beyond the limit is enough to detect that the output is too long.
    const maxOutput = Math.min(maxLength, kMaxLength - 1) + 1;
    this.#output = takeScratch();
    this.#room = Math.min(scratchSize, maxOutput);
    this.#filled = 0;
    try {
      return read(this.#zlib, maxOutput) ? this.#collect() : null;
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

  /** Returns false if the output is too long. */
  #read(zlib: SyncZlib, octets: Uint8Array, start: number, maxOutput: number): boolean {
    const left = this.#write(zlib, constants.Z_SYNC_FLUSH, octets, start, maxOutput);
    if (left < 0) return false;
    this.end = octets.length - left;
    if (left > 0) return true;
    // Z_BLOCK stops at the end of a block. That is the block whose header ends the message, or the tail was read as
    // data.
    const tailLeft = this.#write(zlib, constants.Z_BLOCK, watchedTail, 0, maxOutput);
    // A final block at the end of the message leaves the whole tail unread.
    if (tailLeft === 1 || tailLeft === watchedTail.length) return true;
    if (tailLeft < 0) return false;
    throw truncated();
  }

  /**
   * Writes all input, unless the stream ends. Returns the length of the input left, or -1 if the output is too long.
   */
  #write(zlib: SyncZlib, flush: number, input: Uint8Array, start: number, maxOutput: number): number {
    for (let left = input.length - start; ; left = zlib.inputLeft) {
      const room = this.#room - this.#filled;
      zlib.write(flush, input, input.length - left, left, this.#output, this.#filled, room);
      this.#filled = this.#room - zlib.roomLeft;
      if (zlib.roomLeft > 0) return zlib.inputLeft;
      if (this.#chunked + this.#filled === maxOutput) return -1;
      this.#grow(maxOutput);
    }
  }

  /** Doubles the total room for output. */
  #grow(maxOutput: number): void {
    this.#chunks.push(this.#chunked === 0 ? copyOf(this.#output, this.#filled) : this.#output);
    this.#chunked += this.#filled;
    this.#room = Math.min(this.#chunked, maxOutput - this.#chunked);
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

/** "Hello" as compressed in RFC 7692 §7.2.3.1, and the second time in §7.2.3.2. */
const hello = Buffer.from('f248cdc9c90700', 'hex');
const helloAgain = Buffer.from('f200110000', 'hex');
const helloFinal = Buffer.from('f348cdc9c9070000', 'hex');

function passesSelfTest({ createInflateRaw }: ZlibStreams, rung: ZlibRung): boolean {
  try {
    // Tested first. Otherwise the other tests would loop forever if a write did not report its progress.
    const zlib = new SyncZlib(createInflateRaw({ ...streamOptions, windowBits: 15 }));
    zlib.write(constants.Z_SYNC_FLUSH, hello, 0, hello.length, Buffer.alloc(8), 0, 8);
    const says = [zlib.roomLeft, zlib.inputLeft];
    zlib.close();
    return says.join() === '3,0' && deflatesAndForgets(rung) && inflatesAndRecovers(rung);
  } catch {
    return false;
  }
}

/** Tests round trips only, because different versions of zlib deflate to different octets. */
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
  // Expected in turn: no window, output too long, input too short, and recovery.
  found.push(read(helloAgain, 5), read(hello, 4));
  inflater.reset();
  found.push(read(hello.subarray(0, 4), 5), read(hello, 5));
  inflater.close();
  return found.join() === 'Hello 7,Hello 5,Hello 7,Z_DATA_ERROR,too long,Z_BUF_ERROR,Hello 7';
}

/** Returns the rung over handles of streams. Tests pass `streams` other than Node's. */
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

/** zlib through the handles of its streams, which keep a state between calls. */
export const handleRung: ZlibRung = handleRungOver({ createDeflateRaw, createInflateRaw });

// ——— Lower rung: documented functions only ———
//
// Uses a stream for every call, whose dictionary is the current window.

type Octets = Uint8Array | undefined;

function toOctets(view: NodeJS.ArrayBufferView | undefined): Octets {
  return view && new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

/** Returns the window after `next`. */
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
 * The tail and an empty final block. If zlib reads the final block as such, the message ended at the end of a block.
 * The final block is uncompressed, because the other type of empty block can be the end of an earlier block.
 */
export const finalTail: Buffer = Buffer.of(...tail, 0x01, ...tail);

/**
 * Interprets the octets left unread after a stream was given a message and {@link finalTail}. `rest` is the number of
 * unread octets of the message itself, behind a final block in it. `isEnded` is true if such a block ended the stream
 * and thus its window.
 * @param left Number of octets that the stream has not read.
 * @throws an error with the code `Z_BUF_ERROR` if the message ends within a block.
 */
export function endOfMessage(left: number): { rest: number; isEnded: boolean } {
  if (left === 0) return { rest: 0, isEnded: false };
  // The tail was not read, or its first part ended the stream.
  if (left >= finalTail.length || left === finalTail.length - tail.length)
    return { rest: Math.max(0, left - finalTail.length), isEnded: true };
  throw truncated();
}

/** Returns a piece of DEFLATE without the last octets of its flush. */
export function withoutTail(deflated: Buffer): Buffer {
  return deflated.subarray(0, -tail.length);
}

/** Options of `createDeflateRaw` for a stream that ends with a flush. */
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
    const { rest, isEnded } = endOfMessage(input.length - read.length);
    this.end = octets.length - rest;
    if (isEnded) this.reset();
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
        // Maximum overshoot, unless the chunk is small enough to stop right behind the limit.
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

/** zlib through `deflateRawSync` and `inflateRawSync`: documented, but several times the cost. */
export const documentedRung: ZlibRung = {
  name: 'documented',
  works: () => true,
  createDeflater: (options) => new DocumentedDeflater(pickDeflateOptions(options)),
  createInflater: (options) => new DocumentedInflater(pickInflateOptions(options)),
};

/** Returns the first rung that works. The documented rung always does. */
export function chooseRung(rungs: readonly ZlibRung[]): ZlibRung {
  return rungs.find((rung) => rung.works()) ?? documentedRung;
}

let chosen: ZlibRung | null = null;

/**
 * Returns the rung of this process. The self-test runs at the first call, because most programs never compress. The
 * environment variable `GOODWIRE_DOCUMENTED_ZLIB` selects the documented rung without the test, because the test might
 * end the process in a future version of Node.
 */
export function zlibRung(): ZlibRung {
  chosen ??= process.env.GOODWIRE_DOCUMENTED_ZLIB === undefined ? chooseRung([handleRung]) : documentedRung;
  return chosen;
}
