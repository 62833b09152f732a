import { encodeFrame } from '../../frame/frame-encoder.ts';
import { Opcode } from '../../frame/opcode.ts';

/** How the messages of some connections become frames: what connections have in common that can send the very same octets. */
export interface Coding {
  /** The message as a whole unmasked frame. */
  frame(message: EncodedMessage): Uint8Array;
}

/** A message of `goods.v1`, which is encoded once for each {@link Coding} and not for each connection. */
export class EncodedMessage {
  readonly payload: Uint8Array;
  readonly isBinary: boolean;
  /** Whether it may be compressed. */
  readonly compresses: boolean;
  #plain: Uint8Array | null = null;
  #others: Map<Coding, Uint8Array> | null = null;

  /** @param data Text for a text message; octets, which become part of it, for a binary one. */
  constructor(data: string | Uint8Array, compresses = true) {
    this.compresses = compresses;
    this.isBinary = typeof data !== 'string';
    this.payload = typeof data === 'string' ? Buffer.from(data) : data;
  }

  /** The frame without compression (RFC 6455 §5.2). */
  get plain(): Uint8Array {
    this.#plain ??= encodeFrame(this.isBinary ? Opcode.binary : Opcode.text, this.payload);
    return this.#plain;
  }

  /** The frame in a coding, made by `make` the first time. */
  in(coding: Coding, make: () => Uint8Array): Uint8Array {
    this.#others ??= new Map();
    let frame = this.#others.get(coding);
    if (frame === undefined) {
      frame = make();
      this.#others.set(coding, frame);
    }
    return frame;
  }
}

/** Messages as they are. */
export const plainCoding: Coding = { frame: (message) => message.plain };
