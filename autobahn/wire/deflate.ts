import { constants, deflateRawSync, inflateRawSync } from 'node:zlib';
import { Violation } from './violation.ts';

/** One direction of permessage-deflate. */
export interface DeflateDirection {
  /** From 8 to 15. */
  readonly windowBits: number;
  readonly noContextTakeover: boolean;
}

const tail = Buffer.from([0, 0, 0xff, 0xff]);

/**
 * The last octets that one side has sent, to which later messages may refer. Passing them to zlib as its dictionary is
 * equivalent to keeping a zlib state, and needs no state.
 */
class Window {
  readonly #size: number;
  #octets = Buffer.alloc(0);

  constructor(direction: DeflateDirection) {
    this.#size = direction.noContextTakeover ? 0 : 2 ** direction.windowBits;
  }

  get dictionary(): { dictionary: Buffer } | undefined {
    return this.#octets.length === 0 ? undefined : { dictionary: this.#octets };
  }

  add(octets: Buffer): void {
    const { length } = octets;
    const size = this.#size;
    this.#octets =
      length >= size
        ? Buffer.from(octets.subarray(length - size))
        : Buffer.concat([this.#octets.subarray(Math.max(0, this.#octets.length + length - size)), octets]);
  }
}

/** Compresses our messages (RFC 7692 §7.2.1). */
export class Deflater {
  readonly #direction: DeflateDirection;
  readonly #window: Window;
  /**
   * Cache of results for a message behind another one that fills the window. The result is the same whenever the same
   * two follow each other.
   */
  readonly #known = new WeakMap<Buffer, WeakMap<Buffer, Buffer>>();
  #previous: Buffer | null = null;

  constructor(direction: DeflateDirection) {
    this.#direction = direction;
    this.#window = new Window(direction);
  }

  /** Compresses a message, which must not be changed during the lifetime of the deflater. */
  deflate(message: Buffer): Buffer {
    const previous = this.#previous;
    this.#previous = message;
    // Otherwise the window also contains octets of earlier messages.
    const isDetermined = previous !== null && previous.length >= 2 ** this.#direction.windowBits;
    if (!isDetermined) {
      const octets = this.#compress(message);
      this.#window.add(message);
      return octets;
    }
    const behind = this.#known.get(previous) ?? new WeakMap<Buffer, Buffer>();
    this.#known.set(previous, behind);
    const octets = behind.get(message) ?? this.#compress(message);
    behind.set(message, octets);
    this.#window.add(message);
    return octets;
  }

  #compress(message: Buffer): Buffer {
    const { windowBits } = this.#direction;
    const octets = deflateRawSync(message, {
      windowBits: Math.max(9, windowBits),
      level: 1,
      // zlib cannot deflate with a window of 256 octets. Without references none can reach too far back.
      strategy: windowBits === 8 ? constants.Z_HUFFMAN_ONLY : constants.Z_DEFAULT_STRATEGY,
      finishFlush: constants.Z_SYNC_FLUSH,
      ...this.#window.dictionary,
    });
    return octets.subarray(0, octets.length - tail.length);
  }
}

/**
 * Returns the chunk size for zlib. zlib accepts references to any output of the current call, however far back, so
 * chunks must be small to enforce the window. Small messages get the smallest chunks; in long ones a violation shows up
 * anyway.
 */
function chunkSizeFor(windowBits: number, length: number): number {
  // DEFLATE has no reference beyond the largest window.
  if (windowBits === 15) return 16384;
  return length < 2048 ? constants.Z_MIN_CHUNK : 2 ** windowBits / 2;
}

/** Inflates the peer's messages (RFC 7692 §7.2.2), and checks that they conform to the agreement. */
export class Inflater {
  readonly #direction: DeflateDirection;
  readonly #window: Window;
  readonly #maxLength: number;

  /** @param maxLength Maximum length of a message in octets. */
  constructor(direction: DeflateDirection, maxLength: number) {
    this.#direction = direction;
    this.#window = new Window(direction);
    this.#maxLength = maxLength;
  }

  /**
   * @throws {Violation} The octets are not DEFLATE, refer beyond the window, or inflate to more than the maximum
   *   length.
   */
  inflate(octets: Buffer): Buffer {
    const { windowBits } = this.#direction;
    let message: Buffer;
    try {
      message = inflateRawSync(Buffer.concat([octets, tail]), {
        windowBits,
        chunkSize: chunkSizeFor(windowBits, octets.length),
        finishFlush: constants.Z_SYNC_FLUSH,
        maxOutputLength: this.#maxLength,
        ...this.#window.dictionary,
      });
    } catch (cause) {
      if (cause instanceof RangeError) {
        throw new Violation(`a message inflates to more than ${this.#maxLength} octets`, 1009);
      }
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new Violation(`a compressed message cannot be inflated: ${why} (RFC 7692 §7.2.2)`, 1007);
    }
    this.#window.add(message);
    return message;
  }
}
