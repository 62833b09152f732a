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

const largeMessage = 4096;

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

  #shared(): RawDeflater {
    this.#raw ??= sharedDeflater(this.#settings.rung ?? zlibRung(), this.#settings);
    return this.#raw;
  }

  #sharedForLarge(): RawDeflater {
    this.#rawForLarge ??=
      this.#settings.level === undefined
        ? sharedDeflater(this.#settings.rung ?? zlibRung(), { ...this.#settings, level: constants.Z_BEST_SPEED })
        : this.#shared();
    return this.#rawForLarge;
  }

  /** Frees what is its own. A next message begins with an empty window. */
  close(): void {
    if (this.#settings.takesContextOver) this.#raw?.close();
  }
}

/** Each costs a new stream, for as little as two octets. Who compresses in final blocks at all has one in a message or fragment. */
const maxFinalBlocks = 1024;

/**
 * Inflates messages (RFC 7692 §7.2.2), synchronously. As with {@link MessageDeflater}, it has memory of its own only with context
 * takeover, from the first message until {@link close}.
 */
export class MessageInflater {
  readonly #settings: MessageInflaterSettings;
  #raw: RawInflater | null = null;

  constructor(settings: MessageInflaterSettings) {
    this.#settings = settings;
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
    if (octets.length === 0) return Buffer.alloc(0);
    const { takesContextOver } = this.#settings;
    const raw = this.#open();
    let isRead = false;
    try {
      const message = inflateMessage(raw, octets, maxLength);
      isRead = true;
      return message;
    } finally {
      if (!isRead || !takesContextOver) raw.reset();
    }
  }

  #open(): RawInflater {
    if (this.#raw !== null) return this.#raw;
    const { takesContextOver, rung = zlibRung() } = this.#settings;
    this.#raw = takesContextOver ? rung.createInflater(this.#settings) : sharedInflater(rung, this.#settings);
    return this.#raw;
  }

  /** Frees what is its own. A next message begins with an empty window. */
  close(): void {
    if (this.#settings.takesContextOver) this.#raw?.close();
  }
}

/**
 * Stream after stream: one has ended behind a block with BFINAL, which is no more than another way to flush (§7.2.3.4). What follows of
 * the message is inflated as it would be else, with a window that is empty: who compresses so has begun anew too.
 */
function inflateMessage(raw: RawInflater, octets: Uint8Array, maxLength: number): Buffer {
  const first = inflateStream(raw, octets, 0, maxLength, maxLength);
  if (raw.end === octets.length) return first;
  const parts = [first];
  let length = first.length;
  for (let finalBlocks = 1; raw.end < octets.length; finalBlocks++) {
    if (finalBlocks > maxFinalBlocks)
      throw new InflateError(
        `A message has more than ${maxFinalBlocks} final blocks`,
        'Z_DATA_ERROR',
        constants.Z_DATA_ERROR,
      );
    raw.reset();
    const part = inflateStream(raw, octets, raw.end, maxLength - length, maxLength);
    parts.push(part);
    length += part.length;
  }
  return Buffer.concat(parts, length);
}

function inflateStream(raw: RawInflater, octets: Uint8Array, start: number, room: number, limit: number): Buffer {
  let output: Buffer | null;
  try {
    output = raw.inflate(octets, start, room);
  } catch (error) {
    throw blamePeer(error as Error);
  }
  if (output !== null) return output;
  throw new ProtocolError('WS_ERR_UNSUPPORTED_MESSAGE_LENGTH', `${limit + 1} or more`, limit);
}

/** What is not the peer's doing, such as want of memory, stays as it is. */
function blamePeer(error: Error): Error {
  const { code, errno } = error as { code?: unknown; errno?: unknown };
  if (code !== 'Z_DATA_ERROR' && code !== 'Z_BUF_ERROR') return error;
  return new InflateError(error.message, code, Number(errno), { cause: error });
}
