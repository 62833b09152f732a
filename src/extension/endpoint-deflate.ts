import type { Role } from '../frame/frame.ts';
import { defaultMaxFinalBlocks, MessageDeflater, MessageInflater } from './deflate-messages.ts';
import type { DeflateAgreement } from './deflate-negotiation.ts';
import type { RawDeflateOptions, RawInflateOptions } from './raw-zlib.ts';

/** permessage-deflate of an open connection: the agreement and this endpoint's settings. */
export interface DeflateOptions {
  readonly agreement: DeflateAgreement;
  /**
   * Minimum length in octets of messages that are compressed without context takeover (RFC 7692 §7.1.1). Default 1024.
   */
  readonly threshold?: number | undefined;
  /**
   * zlib options for compressing: `level`, `memLevel`, `strategy` and `dictionary`. The window comes from the
   * agreement.
   */
  readonly zlibDeflateOptions?: Omit<RawDeflateOptions, 'windowBits'> | undefined;
  /** zlib option for inflating: `dictionary`. */
  readonly zlibInflateOptions?: Omit<RawInflateOptions, 'windowBits'> | undefined;
  /** Maximum number of final blocks in a received message. 0 is unlimited. Default 1024. */
  readonly maxFinalBlocks?: number | undefined;
}

/** Default of `threshold` in octets, as in `ws`. */
export const defaultThreshold = 1024;

/**
 * permessage-deflate of one endpoint, for all connections with the same agreement. Without context takeover these
 * connections share one deflater and inflater, which keep no state between messages. With it each connection has its
 * own.
 */
export class EndpointDeflate {
  readonly options: DeflateOptions;
  /** zlib options for messages that this endpoint sends, and below for those that it receives. */
  readonly deflateOptions: RawDeflateOptions;
  readonly inflateOptions: RawInflateOptions;
  /** Maximum number of final blocks in a received message; `Infinity` is unlimited. */
  readonly maxFinalBlocks: number;
  /**
   * zlib options for messages that are compressed in the thread pool, with an empty window. With context takeover they
   * have no dictionary, because a dictionary precedes only the first message of the connection.
   */
  readonly threadPoolDeflateOptions: RawDeflateOptions;
  /** True if a message of this endpoint may refer to its earlier messages. */
  readonly takesContextOver: boolean;
  /** Key that is equal for endpoints that compress a single message to the same octets. */
  readonly variant: unknown;
  readonly #threshold: number;
  readonly #peerTakesContextOver: boolean;
  readonly #deflater: MessageDeflater | null;
  readonly #inflater: MessageInflater | null;

  constructor(role: Role, options: DeflateOptions) {
    const { agreement, threshold, zlibDeflateOptions, zlibInflateOptions } = options;
    const { maxFinalBlocks = defaultMaxFinalBlocks } = options;
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
    this.maxFinalBlocks = maxFinalBlocks === 0 ? Number.POSITIVE_INFINITY : maxFinalBlocks;
    this.#deflater = this.takesContextOver ? null : this.#createDeflater();
    this.#inflater = this.#peerTakesContextOver ? null : this.#createInflater();
  }

  /** True if a message of `octets` octets is compressed by default. */
  isWorthIt(octets: number): boolean {
    return this.takesContextOver || octets >= this.#threshold;
  }

  /**
   * Returns the deflater for a connection. With context takeover it is a new one, which must be closed with the
   * connection.
   */
  deflater(): MessageDeflater {
    return this.#deflater ?? this.#createDeflater();
  }

  /**
   * Returns the inflater for a connection. With context takeover it is a new one, which must be closed with the
   * connection.
   */
  inflater(): MessageInflater {
    return this.#inflater ?? this.#createInflater();
  }

  #createDeflater(): MessageDeflater {
    return new MessageDeflater({ ...this.deflateOptions, takesContextOver: this.takesContextOver });
  }

  #createInflater(): MessageInflater {
    const { inflateOptions, maxFinalBlocks } = this;
    return new MessageInflater({ ...inflateOptions, maxFinalBlocks, takesContextOver: this.#peerTakesContextOver });
  }
}

/** Returns undefined for options with a dictionary, because dictionaries cannot be compared cheaply. */
function variantOf(options: RawDeflateOptions): string | undefined {
  const { windowBits, level, memLevel, strategy, dictionary } = options;
  return dictionary === undefined ? `${windowBits} ${level} ${memLevel} ${strategy}` : undefined;
}
