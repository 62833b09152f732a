import { constants } from 'node:zlib';
import { ProtocolError } from '../frame/protocol-error.ts';
import { InflateError } from './inflate-error.ts';
import {
  type RawDeflateOptions,
  type RawDeflater,
  type RawInflateOptions,
  type RawInflater,
  type ZlibRung,
  zlibRung,
} from './raw-zlib.ts';
import { sharedDeflater, sharedInflater } from './shared-zlib.ts';
import { SlidingWindow } from './sliding-window.ts';

interface Kind {
  /** Whether the window is carried on from message to message (RFC 7692 §7.1.1), which costs memory for each connection. */
  readonly takesContextOver: boolean;
  /** How zlib is called. Default: the best that works. */
  readonly rung?: ZlibRung | undefined;
}

/** How the messages of one endpoint are compressed. */
export interface MessageDeflaterSettings extends RawDeflateOptions, Kind {
  /**
   * 0–9; -1 is zlib's default. Left out it is that, and 1 for messages of 4 KiB and more if there is no context takeover: half the time
   * or less, for 4 % of the size that they had at first. (With takeover they are of one stream, in which zlib cannot well change it.)
   */
  readonly level?: number | undefined;
}

/** How the messages of the other endpoint are inflated. */
export interface MessageInflaterSettings extends RawInflateOptions, Kind {}

/** From here on messages without context takeover are compressed with the level that is the fastest. */
const largeMessage = 4096;

/** The level for those, where the application named none. */
export const levelOfLarge = constants.Z_BEST_SPEED;

/** With which a sync flush ends (§7.2.1): left out at the end of a message, and not at that of a fragment before it. */
const flushTail = Buffer.of(0x00, 0x00, 0xff, 0xff);

/**
 * Compresses messages (RFC 7692 §7.2.1), synchronously. Without context takeover it keeps nothing between them: one can serve any
 * number of connections, and all of the same settings share zlib's memory. With it, it has its own from the first message until
 * {@link close}.
 */
export class MessageDeflater {
  readonly #settings: MessageDeflaterSettings;
  #raw: RawDeflater | null = null;
  #rawForLarge: RawDeflater | null = null;

  constructor(settings: MessageDeflaterSettings) {
    this.#settings = settings;
  }

  /**
   * The payload of a message, or of all its fragments together. The memory is the caller's.
   * @throws zlib's errors, for options that it does not take, and for want of memory.
   */
  deflate(octets: Uint8Array): Buffer {
    // "0x00" (§7.2.3.6). zlib would make nothing of a second one, as it has nothing to flush.
    if (octets.length === 0) return Buffer.alloc(1);
    if (this.#settings.takesContextOver) {
      this.#raw ??= (this.#settings.rung ?? zlibRung()).createDeflater(this.#settings);
      return this.#raw.deflate(octets);
    }
    const raw = octets.length < largeMessage ? this.#shared() : this.#sharedForLarge();
    try {
      return raw.deflate(octets);
    } finally {
      raw.reset();
    }
  }

  /**
   * The payload of a fragment of a message: as {@link deflate}, and unless it is the last (`fin`) with the end of its flush, so that the
   * fragments joined are what one compressor could have made of the message.
   */
  deflateFragment(octets: Uint8Array, fin: boolean): Buffer {
    if (fin) return this.deflate(octets);
    // A frame may be empty (RFC 7692 §6.1 asks for nothing else), and so adds nothing to the blocks.
    return octets.length === 0 ? Buffer.alloc(0) : Buffer.concat([this.deflate(octets), flushTail]);
  }

  /** What was sent meanwhile was compressed elsewhere, with an empty window: the next message must not refer to what came before. */
  skip(): void {
    const { takesContextOver, dictionary, rung = zlibRung() } = this.#settings;
    if (!takesContextOver) return;
    if (dictionary === undefined) {
      this.#raw?.reset();
      return;
    }
    // A reset would put the dictionary in front of the next message, where the peer has what was sent meanwhile.
    this.#raw?.close();
    this.#raw = rung.createDeflater({ ...this.#settings, dictionary: undefined });
  }

  #shared(): RawDeflater {
    this.#raw ??= sharedDeflater(this.#settings.rung ?? zlibRung(), this.#settings);
    return this.#raw;
  }

  #sharedForLarge(): RawDeflater {
    this.#rawForLarge ??=
      this.#settings.level === undefined
        ? sharedDeflater(this.#settings.rung ?? zlibRung(), { ...this.#settings, level: levelOfLarge })
        : this.#shared();
    return this.#rawForLarge;
  }

  /** Frees what is its own. A next message begins with an empty window. */
  close(): void {
    if (this.#settings.takesContextOver) this.#raw?.close();
  }
}

/** Each costs a new stream, for as little as two octets. Who compresses in final blocks at all has one in a message or fragment. */
export const maxFinalBlocks = 1024;

/** How often zlib could begin anew in the time that it takes to make a state and to give it its window. */
const ownState = 8;

/**
 * Inflates messages (RFC 7692 §7.2.2), synchronously. As with {@link MessageDeflater}, it has memory of its own only with context
 * takeover, from the first message until {@link close}.
 */
export class MessageInflater {
  readonly #settings: MessageInflaterSettings;
  #raw: RawInflater | null = null;
  /** How many times zlib had to begin in the last call, which costs something also where nothing comes out; a state of its own counts as 8. */
  begins = 0;
  /** With context takeover: what zlib's window holds, for the messages that are not inflated here. */
  readonly #window: SlidingWindow | null;

  constructor(settings: MessageInflaterSettings) {
    this.#settings = settings;
    const { takesContextOver, windowBits, dictionary } = settings;
    this.#window = takesContextOver ? new SlidingWindow(windowBits) : null;
    if (dictionary !== undefined)
      this.#window?.push(new Uint8Array(dictionary.buffer, dictionary.byteOffset, dictionary.byteLength));
  }

  /**
   * A message. Its fragments are to be joined: where one ends means nothing to DEFLATE. It ends as soon as there are more octets than
   * `maxLength`, 0 or more, which may be `Infinity`; no more than one beyond it are made (up to 16 KiB where zlib is called by what is
   * documented only). The memory is the caller's. After an error the window is empty.
   *
   * An empty payload, which no compressor makes, is taken for an empty message, as in `ws`.
   * @throws ProtocolError `WS_ERR_UNSUPPORTED_MESSAGE_LENGTH`; {@link InflateError}; and zlib's errors, for options that it does not
   * take, and for want of memory.
   */
  inflate(octets: Uint8Array, maxLength: number): Buffer {
    const message = this.inflateUpTo(octets, maxLength);
    if (message !== null) return message;
    this.close();
    throw new ProtocolError('WS_ERR_UNSUPPORTED_MESSAGE_LENGTH', `${maxLength + 1} or more`, maxLength);
  }

  /**
   * As {@link inflate}, but null for a message of more than `most` octets. With context takeover nothing else can be inflated then until
   * {@link skip} has been told what came of it elsewhere, with {@link dictionary}.
   */
  inflateUpTo(octets: Uint8Array, most: number): Buffer | null {
    this.begins = 1;
    if (octets.length === 0) return Buffer.alloc(0);
    const raw = this.#open();
    let message: Buffer | null = null;
    let hasFailed = true;
    try {
      message = this.#inflateAll(raw, octets, most);
      hasFailed = false;
      return message;
    } finally {
      if (this.#window === null) raw.reset();
      else if (message !== null) this.#window.push(message);
      else this.#begin(hasFailed);
    }
  }

  /**
   * What comes out of the beginning of a message: its fragments so far. Null for more than `most` octets. Nothing changes by it.
   * @throws as {@link inflate}.
   */
  peek(octets: Uint8Array, most: number): Buffer | null {
    this.begins = this.#window === null ? 1 : ownState;
    if (octets.length === 0) return Buffer.alloc(0);
    const { rung = zlibRung() } = this.#settings;
    const raw = this.#window === null ? this.#open() : rung.createInflater(this.#withWindow());
    try {
      return raw.peek(octets, most);
    } catch (error) {
      throw blamePeer(error as Error);
    } finally {
      if (this.#window === null) raw.reset();
      else raw.close();
    }
  }

  /** What the window holds: with it a message is inflated elsewhere. Undefined where it is empty. */
  get dictionary(): NodeJS.ArrayBufferView | undefined {
    return this.#window === null ? this.#settings.dictionary : this.#window.copy();
  }

  /** A message was inflated elsewhere, to these octets, or to octets of which these are the last. */
  skip(octets: Uint8Array): void {
    if (this.#window === null) return;
    this.#window.push(octets);
    this.#begin(false);
  }

  /**
   * Stream after stream: one has ended behind a block with BFINAL, which is no more than another way to flush (§7.2.3.4). What follows of
   * the message is inflated as it would be else, with a window that is empty: who compresses so has begun anew too.
   */
  #inflateAll(raw: RawInflater, octets: Uint8Array, most: number): Buffer | null {
    const first = inflateStream(raw, octets, 0, most);
    if (first === null || raw.end === octets.length) return first;
    const parts = [first];
    let length = first.length;
    while (raw.end < octets.length) {
      if (this.begins > maxFinalBlocks) throw tooManyFinalBlocks();
      this.begins++;
      raw.reset();
      const part = inflateStream(raw, octets, raw.end, most - length);
      if (part === null) return null;
      parts.push(part);
      length += part.length;
    }
    return Buffer.concat(parts, length);
  }

  #open(): RawInflater {
    if (this.#raw !== null) return this.#raw;
    const { takesContextOver, rung = zlibRung() } = this.#settings;
    this.#raw = takesContextOver ? rung.createInflater(this.#withWindow()) : sharedInflater(rung, this.#settings);
    return this.#raw;
  }

  #withWindow(): RawInflateOptions {
    return { windowBits: this.#settings.windowBits, dictionary: this.dictionary };
  }

  /** The next message is inflated by a new stream, which begins with the window. */
  #begin(withEmptyWindow: boolean): void {
    if (withEmptyWindow) this.#window?.clear();
    this.#raw?.close();
    this.#raw = null;
  }

  /** Frees what is its own. A next message begins with an empty window. */
  close(): void {
    if (this.#window !== null) this.#begin(true);
  }
}

function inflateStream(raw: RawInflater, octets: Uint8Array, start: number, most: number): Buffer | null {
  try {
    return raw.inflate(octets, start, most);
  } catch (error) {
    throw blamePeer(error as Error);
  }
}

/** The error for a message that goes on beginning new streams. */
export function tooManyFinalBlocks(): InflateError {
  const message = `A message has more than ${maxFinalBlocks} final blocks`;
  return new InflateError(message, 'Z_DATA_ERROR', constants.Z_DATA_ERROR);
}

/** An {@link InflateError} for what is the peer's doing; what is not, such as want of memory, stays as it is. */
export function blamePeer(error: Error): Error {
  const { code, errno } = error as { code?: unknown; errno?: unknown };
  if (code !== 'Z_DATA_ERROR' && code !== 'Z_BUF_ERROR') return error;
  return new InflateError(error.message, code, Number(errno), { cause: error });
}
