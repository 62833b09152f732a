import { MessageDeflater } from '../extension/deflate-messages.ts';
import type { EndpointDeflate } from '../extension/endpoint-deflate.ts';
import { encodeFrame, requireTrueLength } from '../frame/frame-encoder.ts';
import { Opcode } from '../frame/opcode.ts';
import { isUint8Array } from '../realm/kinds.ts';

/** Options of a {@link PreparedMessage}. */
export interface PreparedMessageOptions {
  /** True for binary, false for text. Default: text for a string. */
  readonly binary?: boolean | undefined;
  /** True if permessage-deflate may compress the message, where negotiated. Default true. */
  readonly compress?: boolean | undefined;
}

/** Marks the prepared messages of every copy of goodwire in this process. */
const kPrepared = Symbol.for('goodwire.PreparedMessage');
/** Prepared messages of other copies, with their equivalents of this one. */
const adopted = new WeakMap<object, PreparedMessage>();

/**
 * Message for many recipients. It is encoded once for all server connections without permessage-deflate, and compressed
 * once for all with the same agreement and no context takeover (RFC 7692 §7.1.1). Other server connections, and
 * clients, encode it separately.
 *
 * @example
 * ```ts
 * import { PreparedMessage, WebSocketServer } from 'goodwire';
 *
 * const server = new WebSocketServer({ port: 8080 });
 * const news = new PreparedMessage(JSON.stringify({ price: 3 }));
 * for (const client of server.clients) client.send(news);
 * ```
 */
export class PreparedMessage {
  /** Payload. Octets passed to the constructor are copied. */
  readonly octets: Buffer;
  /** True for a binary message, false for text. */
  readonly isBinary: boolean;
  /** True if permessage-deflate may compress the message. */
  readonly compresses: boolean;
  #plain: Buffer | null = null;
  readonly #deflated = new Map<unknown, Buffer>();

  /**
   * Prepares a message.
   * @param data A string is text, bytes are binary. Bytes are copied.
   */
  constructor(data: string | Uint8Array, { binary, compress = true }: PreparedMessageOptions = {}) {
    if (typeof data !== 'string' && !isUint8Array(data))
      throw new TypeError(`A PreparedMessage is made of a string or a Uint8Array; got ${typeof data}`);
    if (typeof data !== 'string') requireTrueLength(data);
    this.octets = Buffer.from(data as string);
    this.isBinary = binary ?? typeof data !== 'string';
    this.compresses = compress;
  }

  /** True if {@link frame} needs no encoding. */
  has(deflate: EndpointDeflate | null): boolean {
    return deflate === null || this.#deflated.has(deflate.variant);
  }

  /**
   * Returns the message as one unmasked frame, compressed as agreed or not at all. Do not change it, because other
   * connections send it too.
   */
  frame(deflate: EndpointDeflate | null): Buffer {
    if (deflate === null) {
      this.#plain ??= this.#encode(this.octets, false);
      return this.#plain;
    }
    const known = this.#deflated.get(deflate.variant);
    if (known !== undefined) return known;
    const deflater = new MessageDeflater({ ...deflate.deflateOptions, takesContextOver: false });
    return this.keep(deflate, deflater.deflate(this.octets));
  }

  /** Stores the compressed payload that was made elsewhere, and returns its frame. */
  keep(deflate: EndpointDeflate, deflated: Buffer): Buffer {
    const isShorter = deflated.length < this.octets.length;
    const frame = isShorter ? this.#encode(deflated, true) : this.frame(null);
    this.#deflated.set(deflate.variant, frame);
    return frame;
  }

  get [kPrepared](): true {
    return true;
  }

  #encode(payload: Uint8Array, rsv1: boolean): Buffer {
    return encodeFrame(this.isBinary ? Opcode.binary : Opcode.text, payload, { rsv1 });
  }
}

/**
 * Returns the prepared message that a value is, or null if it is none. A prepared message of another copy of goodwire, such as its alias `ws`,
 * is prepared anew, once.
 */
export function asPrepared(data: unknown): PreparedMessage | null {
  if (data instanceof PreparedMessage) return data;
  if (typeof data !== 'object' || data === null || ArrayBuffer.isView(data) || !(kPrepared in data)) return null;
  let message = adopted.get(data);
  if (message === undefined) {
    const { octets, isBinary, compresses } = data as PreparedMessage;
    message = new PreparedMessage(octets, { binary: isBinary, compress: compresses });
    adopted.set(data, message);
  }
  return message;
}
