import { encodeFrame } from '../../frame/frame-encoder.ts';
import { Opcode } from '../../frame/opcode.ts';

/** Encodes messages as frames. Connections that can send the same bytes share one coding. */
export interface Coding {
  /** Returns a message as a whole unmasked frame. */
  frame(message: EncodedMessage): Uint8Array;
}

/** A message of `goods.v1`. It is encoded once for each {@link Coding}, not once for each connection. */
export class EncodedMessage {
  readonly payload: Uint8Array;
  readonly isBinary: boolean;
  /** True if the frame may be compressed. */
  readonly mayCompress: boolean;
  #plain: Uint8Array | null = null;
  #others: Map<Coding, Uint8Array> | null = null;

  /**
   * Keeps a message, which is encoded when a connection first needs it.
   * @param data Text for a text message; bytes for a binary message, which must not be changed afterwards.
   */
  constructor(data: string | Uint8Array, mayCompress = true) {
    this.mayCompress = mayCompress;
    this.isBinary = typeof data !== 'string';
    this.payload = typeof data === 'string' ? Buffer.from(data) : data;
  }

  /** The frame without compression (RFC 6455 §5.2). */
  get plain(): Uint8Array {
    this.#plain ??= encodeFrame(this.isBinary ? Opcode.binary : Opcode.text, this.payload);
    return this.#plain;
  }

  /** Returns the frame in a coding. Calls `encode` the first time. */
  in(coding: Coding, encode: () => Uint8Array): Uint8Array {
    this.#others ??= new Map();
    let frame = this.#others.get(coding);
    if (frame === undefined) {
      frame = encode();
      this.#others.set(coding, frame);
    }
    return frame;
  }
}

/** The coding without compression. */
export const plainCoding: Coding = { frame: (message) => message.plain };
