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
  /** True if the window is kept from message to message (RFC 7692 §7.1.1), which costs memory for each connection. */
  readonly takesContextOver: boolean;
  /** Interface to zlib. Default: the best one that works. */
  readonly rung?: ZlibRung | undefined;
}

/** Settings for compressing the messages of one endpoint. */
export interface MessageDeflaterSettings extends RawDeflateOptions, Kind {
  /**
   * Compression level 0–9; -1 is zlib's default. Default: zlib's, but 1 for messages of 4 KiB and more without context
   * takeover. Level 1 takes at most half the time for 4 % of the original size. (With takeover all messages are one
   * stream, in which zlib cannot well change its level.)
   */
  readonly level?: number | undefined;
}

/** Settings for inflating the messages of the other endpoint. */
export interface MessageInflaterSettings extends RawInflateOptions, Kind {
  /** Maximum number of final blocks in a message; `Infinity` is unlimited. Default {@link defaultMaxFinalBlocks}. */
  readonly maxFinalBlocks?: number | undefined;
}

/** Minimum length in octets of messages that are compressed with the fastest level, without context takeover. */
const largeMessage = 4096;

/** Compression level for large messages if the application set none. */
export const levelOfLarge = constants.Z_BEST_SPEED;

/** Last octets of a sync flush (§7.2.1). Omitted at the end of a message, but not at the end of an earlier fragment. */
const flushTail = Buffer.of(0x00, 0x00, 0xff, 0xff);

/**
 * Compresses messages (RFC 7692 §7.2.1), synchronously. Without context takeover a deflater keeps no state between
 * messages. It can serve any number of connections, and all deflaters with the same settings share zlib's memory. With
 * takeover a deflater has its own zlib state from the first message until {@link close}.
 */
export class MessageDeflater {
  readonly #settings: MessageDeflaterSettings;
  #raw: RawDeflater | null = null;
  #rawForLarge: RawDeflater | null = null;

  /** Creates a deflater. zlib's memory is allocated with the first message. */
  constructor(settings: MessageDeflaterSettings) {
    this.#settings = settings;
  }

  /**
   * Compresses the payload of a message, or of all its fragments together. The result belongs to the caller.
   * @throws zlib's errors, for invalid options and if memory is exhausted.
   */
  deflate(octets: Uint8Array): Buffer {
    // "0x00" (§7.2.3.6). zlib would return no octets for a second empty message, because there is nothing to flush.
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
   * Compresses the payload of a fragment, as {@link deflate}. Unless the fragment is the last (`fin`), the result
   * includes the end of its flush. The joined fragments are then what one compressor could have made of the message.
   */
  deflateFragment(octets: Uint8Array, fin: boolean): Buffer {
    if (fin) return this.deflate(octets);
    // RFC 7692 §6.1 allows an empty frame, which adds no octets to the blocks.
    return octets.length === 0 ? Buffer.alloc(0) : Buffer.concat([this.deflate(octets), flushTail]);
  }

  /**
   * Empties the window, because a message was compressed elsewhere with an empty window. The next message must not
   * refer to earlier ones.
   */
  skip(): void {
    const { takesContextOver, dictionary, rung = zlibRung() } = this.#settings;
    if (!takesContextOver) return;
    if (dictionary === undefined) {
      this.#raw?.reset();
      return;
    }
    // A reset would restore the dictionary, but the peer's window holds the message that was sent meanwhile.
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

  /** Frees zlib's memory if it belongs to this deflater. The next message begins with an empty window. */
  close(): void {
    if (this.#settings.takesContextOver) this.#raw?.close();
  }
}

/**
 * Default maximum number of final blocks in a message. Each costs a new stream, for as little as two octets. Compressors
 * that use final blocks make one per message or fragment.
 */
export const defaultMaxFinalBlocks = 1024;

/**
 * Maximum length of a piece that {@link inflatePieces} inflates, and total length from which it inflates no further one:
 * 64 KiB, which takes as long as a new stream.
 */
const maxPieceLength = 65_536;

/** Cost of creating a zlib state with its own window, counted in resets of an existing state. */
const ownState = 8;

/**
 * Inflates messages (RFC 7692 §7.2.2), synchronously. As with {@link MessageDeflater}, an inflater has its own zlib
 * state only with context takeover, from the first message until {@link close}.
 */
export class MessageInflater {
  readonly #settings: MessageInflaterSettings;
  #raw: RawInflater | null = null;
  /**
   * Number of streams that zlib began in the last call, which cost time even without output. Creating a zlib state
   * counts as 8.
   */
  begins = 0;
  /** Copy of zlib's window for messages that are inflated elsewhere. Null without context takeover. */
  readonly #window: SlidingWindow | null;

  /** Creates an inflater. zlib's memory is allocated with the first message. */
  constructor(settings: MessageInflaterSettings) {
    this.#settings = settings;
    const { takesContextOver, windowBits, dictionary } = settings;
    this.#window = takesContextOver ? new SlidingWindow(windowBits) : null;
    if (dictionary !== undefined)
      this.#window?.push(new Uint8Array(dictionary.buffer, dictionary.byteOffset, dictionary.byteLength));
  }

  /**
   * Inflates a message. Fragments must be joined first, because DEFLATE does not see where they end. Inflating stops as
   * soon as there are more than `maxLength` octets (0 or more, may be `Infinity`). At most one octet beyond is
   * produced, or up to 16 KiB if only documented functions of zlib are used. The result belongs to the caller. After an
   * error the window is empty.
   *
   * An empty payload, which no compressor makes, is an empty message, as in `ws`.
   * @throws ProtocolError `WS_ERR_UNSUPPORTED_MESSAGE_LENGTH`; {@link InflateError}; zlib's errors, for invalid options
   *   and if memory is exhausted.
   */
  inflate(octets: Uint8Array, maxLength: number): Buffer {
    const message = this.inflateUpTo(octets, maxLength);
    if (message !== null) return message;
    this.close();
    throw new ProtocolError('WS_ERR_UNSUPPORTED_MESSAGE_LENGTH', `${maxLength + 1} or more`, maxLength);
  }

  /**
   * Inflates a message as {@link inflate}, but returns null for more than `maxLength` octets. With context takeover the
   * caller must then inflate the message elsewhere, with {@link dictionary}, and pass the result to {@link skip} before
   * the next message.
   */
  inflateUpTo(octets: Uint8Array, maxLength: number): Buffer | null {
    this.begins = 1;
    if (octets.length === 0) return Buffer.alloc(0);
    const raw = this.#open();
    let message: Buffer | null = null;
    let hasFailed = true;
    try {
      message = this.#inflateAll(raw, octets, maxLength);
      hasFailed = false;
      return message;
    } finally {
      if (this.#window === null) raw.reset();
      else if (message !== null) this.#window.push(message);
      else this.#begin(hasFailed);
    }
  }

  /**
   * Inflates the beginning of a message, namely its fragments so far. Returns null for more than `maxLength` octets.
   * The window does not change.
   * @throws the same errors as {@link inflate}.
   */
  peek(octets: Uint8Array, maxLength: number): Buffer | null {
    this.begins = this.#window === null ? 1 : ownState;
    if (octets.length === 0) return Buffer.alloc(0);
    const { rung = zlibRung() } = this.#settings;
    const raw = this.#window === null ? this.#open() : rung.createInflater(this.#withWindow());
    try {
      return raw.peek(octets, maxLength);
    } catch (error) {
      throw blamePeer(error as Error);
    } finally {
      if (this.#window === null) raw.reset();
      else raw.close();
    }
  }

  /** Contents of the window, for inflating a message elsewhere. Undefined if the window is empty. */
  get dictionary(): NodeJS.ArrayBufferView | undefined {
    return this.#window === null ? this.#settings.dictionary : this.#window.copy();
  }

  /** Updates the window after a message was inflated elsewhere. `octets` is the message or its last octets. */
  skip(octets: Uint8Array): void {
    if (this.#window === null) return;
    this.#window.push(octets);
    this.#begin(false);
  }

  /**
   * Inflates a message of several DEFLATE streams. A block with BFINAL ends a stream, and is only another way to flush
   * (§7.2.3.4). The rest of the message is inflated with an empty window, because its compressor began a new stream
   * too.
   */
  #inflateAll(raw: RawInflater, octets: Uint8Array, maxLength: number): Buffer | null {
    const first = inflateStream(raw, octets, 0, maxLength);
    if (first === null || raw.end === octets.length) return first;
    const { maxFinalBlocks = defaultMaxFinalBlocks } = this.#settings;
    const parts = [first];
    let length = first.length;
    while (raw.end < octets.length) {
      if (this.begins > maxFinalBlocks) throw tooManyFinalBlocks(maxFinalBlocks);
      this.begins++;
      raw.reset();
      const part = inflateStream(raw, octets, raw.end, maxLength - length);
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

  /** Discards the stream. The next message is inflated by a new one that begins with the window. */
  #begin(withEmptyWindow: boolean): void {
    if (withEmptyWindow) this.#window?.clear();
    this.#raw?.close();
    this.#raw = null;
  }

  /** Frees zlib's memory if it belongs to this inflater. The next message begins with an empty window. */
  close(): void {
    if (this.#window !== null) this.#begin(true);
  }
}

function inflateStream(raw: RawInflater, octets: Uint8Array, start: number, maxLength: number): Buffer | null {
  try {
    return raw.inflate(octets, start, maxLength);
  } catch (error) {
    throw blamePeer(error as Error);
  }
}

/** Result of {@link inflatePieces}. */
export interface InflatedPieces {
  readonly pieces: readonly Buffer[];
  /** Offset of the octets that are left. */
  readonly end: number;
  /** Offset of the last piece, whose window a later part of the message may need. */
  readonly lastStart: number;
}

/**
 * Inflates what follows a final block while that is short: pieces of at most 64 KiB, each a DEFLATE stream, until there
 * are 64 KiB. On the thread pool, a stream for each piece would cost fifty times as much. The octets that are left begin
 * with a longer piece, an invalid one, or one that must have its turn.
 * @param maxLength Maximum length of all pieces, 0 or more.
 * @param maxPieces Maximum number of pieces.
 */
export function inflatePieces(
  octets: Uint8Array,
  windowBits: number,
  maxLength: number,
  maxPieces: number,
): InflatedPieces {
  const inflater = sharedInflater(zlibRung(), { windowBits });
  const pieces: Buffer[] = [];
  let length = 0;
  let end = 0;
  let lastStart = 0;
  while (end < octets.length && length < maxPieceLength && pieces.length < maxPieces) {
    const piece = inflatePiece(inflater, octets, end, Math.min(maxPieceLength, maxLength - length));
    if (piece === null) break;
    pieces.push(piece);
    length += piece.length;
    lastStart = end;
    end = inflater.end;
  }
  return { pieces, end, lastStart };
}

/** Returns null if the piece is too long, invalid or incomplete. */
function inflatePiece(inflater: RawInflater, octets: Uint8Array, start: number, maxLength: number): Buffer | null {
  try {
    return inflater.inflate(octets, start, maxLength);
  } catch {
    return null;
  } finally {
    inflater.reset();
  }
}

/** Returns the error for a message with too many streams. */
export function tooManyFinalBlocks(limit: number): InflateError {
  const message = `A message has more than ${limit} final blocks`;
  const error = new InflateError(message, 'Z_DATA_ERROR', constants.Z_DATA_ERROR);
  // Not enumerable: programs compare the fields of errors with those of `ws`.
  Object.defineProperty(error, 'exceeded', { value: { limit, received: limit + 1 } });
  return error;
}

/**
 * Returns an {@link InflateError} if the peer caused the error. Other errors, such as exhausted memory, are returned
 * unchanged.
 */
export function blamePeer(error: Error): Error {
  if (error instanceof InflateError) return error;
  const { code, errno } = error as { code?: unknown; errno?: unknown };
  if (code !== 'Z_DATA_ERROR' && code !== 'Z_BUF_ERROR') return error;
  return new InflateError(error.message, code, Number(errno), { cause: error });
}
