import type { Role } from '../frame/frame.ts';
import { MessageDeflater, MessageInflater } from './deflate-messages.ts';
import type { DeflateAgreement } from './deflate-negotiation.ts';
import type { RawDeflateOptions, RawInflateOptions } from './raw-zlib.ts';

/** permessage-deflate of an open connection: what was agreed on, and what an endpoint makes of it. */
export interface DeflateOptions {
  readonly agreement: DeflateAgreement;
  /** Octets below which a message is not compressed, where each is compressed by itself (RFC 7692 §7.1.1). Default 1024. */
  readonly threshold?: number | undefined;
  /** How messages are compressed: `level`, `memLevel`, `strategy` and `dictionary` of zlib. The window is the one that was agreed on. */
  readonly zlibDeflateOptions?: Omit<RawDeflateOptions, 'windowBits'> | undefined;
  /** How messages are inflated: `dictionary` of zlib. */
  readonly zlibInflateOptions?: Omit<RawInflateOptions, 'windowBits'> | undefined;
}

/** Octets below which a message that is compressed by itself is not worth it; as in `ws`. */
export const defaultThreshold = 1024;

/**
 * permessage-deflate at one end, for all connections that have agreed alike. Where no context is taken over they share their deflater and
 * inflater too, which hold nothing between two messages; else each connection has its own.
 */
export class EndpointDeflate {
  readonly options: DeflateOptions;
  /** zlib's options for what we send, and for what the peer sends. */
  readonly deflateOptions: RawDeflateOptions;
  readonly inflateOptions: RawInflateOptions;
  /**
   * zlib's options for messages that the thread pool compresses, with an empty window. With context takeover they have no dictionary,
   * because a dictionary belongs before the first message only.
   */
  readonly threadPoolDeflateOptions: RawDeflateOptions;
  /** Whether what we send may refer to our messages before it. */
  readonly takesContextOver: boolean;
  /** What all endpoints have in common that compress a message, each by itself, to the same octets. */
  readonly variant: unknown;
  readonly #threshold: number;
  readonly #peerTakesContextOver: boolean;
  readonly #deflater: MessageDeflater | null;
  readonly #inflater: MessageInflater | null;

  constructor(role: Role, options: DeflateOptions) {
    const { agreement, threshold, zlibDeflateOptions, zlibInflateOptions } = options;
    const isServer = role === 'server';
    const [ours, theirs] = isServer
      ? [agreement.serverMaxWindowBits, agreement.clientMaxWindowBits]
      : [agreement.clientMaxWindowBits, agreement.serverMaxWindowBits];
    this.options = options;
    this.deflateOptions = { ...zlibDeflateOptions, windowBits: ours };
    this.inflateOptions = { ...zlibInflateOptions, windowBits: theirs };
    this.takesContextOver = !(isServer ? agreement.serverNoContextTakeover : agreement.clientNoContextTakeover);
    this.#peerTakesContextOver = !(isServer ? agreement.clientNoContextTakeover : agreement.serverNoContextTakeover);
    this.threadPoolDeflateOptions = this.takesContextOver
      ? { ...this.deflateOptions, dictionary: undefined }
      : this.deflateOptions;
    this.variant = variantOf(this.deflateOptions) ?? this;
    this.#threshold = threshold ?? defaultThreshold;
    this.#deflater = this.takesContextOver ? null : this.#createDeflater();
    this.#inflater = this.#peerTakesContextOver ? null : this.#createInflater();
  }

  /** Whether a message of so many octets is compressed if nobody says otherwise. */
  isWorthIt(octets: number): boolean {
    return this.takesContextOver || octets >= this.#threshold;
  }

  /** What compresses for a connection: its own, to be closed with it, if context is taken over. */
  deflater(): MessageDeflater {
    return this.#deflater ?? this.#createDeflater();
  }

  /** What inflates for a connection: its own, to be closed with it, if context is taken over. */
  inflater(): MessageInflater {
    return this.#inflater ?? this.#createInflater();
  }

  #createDeflater(): MessageDeflater {
    return new MessageDeflater({ ...this.deflateOptions, takesContextOver: this.takesContextOver });
  }

  #createInflater(): MessageInflater {
    return new MessageInflater({ ...this.inflateOptions, takesContextOver: this.#peerTakesContextOver });
  }
}

/** Undefined where there is a dictionary, which cannot be compared well. */
function variantOf(options: RawDeflateOptions): string | undefined {
  const { windowBits, level, memLevel, strategy, dictionary } = options;
  return dictionary === undefined ? `${windowBits} ${level} ${memLevel} ${strategy}` : undefined;
}
