import { MessageDeflater } from '../extension/deflate-messages.ts';
import type { EndpointDeflate } from '../extension/endpoint-deflate.ts';
import { encodeFrame, requireTrueLength } from '../frame/frame-encoder.ts';
import { Opcode } from '../frame/opcode.ts';

/** How a {@link PreparedMessage} is sent. */
export interface PreparedMessageOptions {
  /** Binary or text; default: text for a string. */
  readonly binary?: boolean | undefined;
  /** Whether permessage-deflate may compress it, where it was negotiated. Default true. */
  readonly compress?: boolean | undefined;
}

/**
 * A message for many: it is encoded once for all servers' connections without permessage-deflate, and compressed once for all that have
 * agreed on it alike and take no context over (RFC 7692 §7.1.1). The others, and clients, encode it each for itself.
 */
export class PreparedMessage {
  /** The payload. Octets that were given are copied. */
  readonly octets: Buffer;
  readonly isBinary: boolean;
  readonly compresses: boolean;
  #plain: Buffer | null = null;
  readonly #deflated = new Map<unknown, Buffer>();

  constructor(data: string | Uint8Array, { binary, compress = true }: PreparedMessageOptions = {}) {
    if (typeof data !== 'string' && !(data instanceof Uint8Array))
      throw new TypeError(`A message is prepared of a string or a Uint8Array, not of ${typeof data}`);
    if (typeof data !== 'string') requireTrueLength(data);
    this.octets = Buffer.from(data as string);
    this.isBinary = binary ?? typeof data !== 'string';
    this.compresses = compress;
  }

  /** Whether {@link frame} has it at hand. */
  has(deflate: EndpointDeflate | null): boolean {
    return deflate === null || this.#deflated.has(deflate.variant);
  }

  /** The message as one unmasked frame, compressed as was agreed, or not at all. Not to be changed: others send it too. */
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

  /** Takes what the payload was compressed to elsewhere. */
  keep(deflate: EndpointDeflate, deflated: Buffer): Buffer {
    const isShorter = deflated.length < this.octets.length;
    const frame = isShorter ? this.#encode(deflated, true) : this.frame(null);
    this.#deflated.set(deflate.variant, frame);
    return frame;
  }

  #encode(payload: Uint8Array, rsv1: boolean): Buffer {
    return encodeFrame(this.isBinary ? Opcode.binary : Opcode.text, payload, { rsv1 });
  }
}
