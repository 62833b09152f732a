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
 * The last octets of what one side sent so far: all that a later message may refer to. Giving zlib these as its dictionary is the same
 * as letting one state of zlib live on, and needs no state.
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

/** Compresses messages of ours (RFC 7692 §7.2.1). */
export class Deflater {
  readonly #direction: DeflateDirection;
  readonly #window: Window;
  /** What came of a message behind another one that fills the window: the same again when both come again. */
  readonly #known = new WeakMap<Buffer, WeakMap<Buffer, Buffer>>();
  #previous: Buffer | null = null;

  constructor(direction: DeflateDirection) {
    this.#direction = direction;
    this.#window = new Window(direction);
  }

  /** The message must not be altered while the deflater lives. */
  deflate(message: Buffer): Buffer {
    const previous = this.#previous;
    this.#previous = message;
    // Else the window has octets of messages before.
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
      // zlib deflates with no window of 256 octets: without references there is none that could be too far.
      strategy: windowBits === 8 ? constants.Z_HUFFMAN_ONLY : constants.Z_DEFAULT_STRATEGY,
      finishFlush: constants.Z_SYNC_FLUSH,
      ...this.#window.dictionary,
    });
    return octets.subarray(0, octets.length - tail.length);
  }
}

/**
 * How much zlib may put out at once. A reference to what it put out since it was called it takes for good, however far back that is, so
 * the chunks have to be small for the window to be kept. Small messages get the smallest; in long ones a peer gives itself away sooner.
 */
function chunkSizeFor(windowBits: number, length: number): number {
  // DEFLATE has no reference that leaves the largest window.
  if (windowBits === 15) return 16384;
  return length < 2048 ? constants.Z_MIN_CHUNK : 2 ** windowBits / 2;
}

/** Inflates messages of the peer (RFC 7692 §7.2.2), and holds it to what was agreed upon. */
export class Inflater {
  readonly #direction: DeflateDirection;
  readonly #window: Window;
  readonly #maxLength: number;

  /** `maxLength`: the octets that a message may have at most. */
  constructor(direction: DeflateDirection, maxLength: number) {
    this.#direction = direction;
    this.#window = new Window(direction);
    this.#maxLength = maxLength;
  }

  /** @throws {Violation} It is no DEFLATE, refers to what is out of the window, or is longer than a message may be. */
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
