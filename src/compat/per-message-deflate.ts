import type { DeflateRaw, InflateRaw, ZlibOptions } from 'node:zlib';
import {
  acceptDeflateOffer,
  acceptDeflateResponse,
  type DeflateNegotiationOptions,
  type DeflateTerms,
  deflateTerms,
  offerDeflate,
  type ParameterList,
  permessageDeflate,
  requireValidOffer,
} from '../extension/deflate-negotiation.ts';
import { defaultThreshold } from '../extension/endpoint-deflate.ts';
import { NegotiationError } from '../extension/negotiation-error.ts';
import type { PerMessageDeflateOptions as DeflateOptions } from '../extension/per-message-deflate-options.ts';
import { defaultConcurrencyLimit } from '../extension/zlib-concurrency.ts';
import { DeflateDirection, InflateDirection, type ZlibCallback, type ZlibSettings } from './zlib-direction.ts';

/** Options of {@link PerMessageDeflate}, as in `ws`. */
export interface PerMessageDeflateOptions
  extends DeflateNegotiationOptions,
    Pick<DeflateOptions, 'threshold' | 'concurrencyLimit'> {
  /** zlib options for deflating. The agreed window takes precedence over `windowBits`. */
  zlibDeflateOptions?: ZlibOptions | undefined;
  /** zlib options for inflating. The agreed window takes precedence over `windowBits`. */
  zlibInflateOptions?: ZlibOptions | undefined;
  /** True for the server's end of the connection. Default false. */
  isServer?: boolean | undefined;
  /** Maximum length in bytes of an inflated message. Truncated to 32 bits. Values below 1 mean unlimited. Default 0. */
  maxPayload?: number | undefined;
}

/** Parameters of an offer or a response as an object. A window is a number; other parameters are `true`. */
export interface DeflateParameters {
  server_no_context_takeover?: true;
  client_no_context_takeover?: true;
  server_max_window_bits?: number;
  /** `true` in an offer only. */
  client_max_window_bits?: number | true;
}

/** Parameters as returned by `extension.parse`, each with the list of its values. */
type Configuration = Readonly<Record<string, readonly unknown[]>>;

const defaultWindowBits = 15;

/**
 * permessage-deflate (RFC 7692) with the interface of `ws`. An adapter: negotiation is done by src/extension/,
 * compression by streams of `node:zlib`. One instance serves one end of one connection.
 *
 * Fields with an underscore exist because packages read them in `ws`.
 */
export class PerMessageDeflate {
  /** Name of the extension in the negotiation. */
  static get extensionName(): string {
    return permessageDeflate;
  }

  readonly _options: PerMessageDeflateOptions;
  readonly _threshold: number;
  readonly _maxPayload: number;
  readonly _isServer: boolean;
  /** Agreed parameters; null before {@link accept}. */
  params: DeflateParameters | null = null;
  readonly #terms: DeflateTerms;
  #deflate: DeflateDirection | null = null;
  #inflate: InflateDirection | null = null;

  /**
   * Creates the extension for one end of one connection.
   * @throws TypeError if a window is neither a number nor a boolean, RangeError if it is not an integer from 8 to 15.
   */
  constructor(options?: PerMessageDeflateOptions) {
    this._options = options || {};
    this.#terms = deflateTerms(this._options);
    this._threshold = this._options.threshold === undefined ? defaultThreshold : this._options.threshold;
    this._maxPayload = (this._options.maxPayload as number) | 0;
    this._isServer = !!this._options.isServer;
  }

  /** zlib stream for deflating; null before the first message and after {@link cleanup}. */
  get _deflate(): DeflateRaw | null {
    return this.#deflate?.stream ?? null;
  }

  /** zlib stream for inflating; null before the first message and after {@link cleanup}. */
  get _inflate(): InflateRaw | null {
    return this.#inflate?.stream ?? null;
  }

  /** Returns the parameters of a client's offer. */
  offer(): DeflateParameters {
    return toParameters(offerDeflate(this.#terms), {});
  }

  /**
   * Server: accepts the first acceptable offer of a client, and returns the parameters of the response. Client: accepts
   * the response to its offer.
   * @throws TypeError if a value is invalid, Error for other violations. As in `ws`, one invalid offer is enough.
   */
  accept(configurations: readonly Configuration[]): DeflateParameters {
    const lists = configurations.map(toList);
    try {
      this.params = this._isServer
        ? this.#acceptOffer(lists, configurations)
        : this.#acceptResponse(lists, configurations);
    } catch (error) {
      throw toWsError(error);
    }
    return this.params;
  }

  #acceptOffer(offers: readonly ParameterList[], configurations: readonly Configuration[]): DeflateParameters {
    for (const offer of offers) requireValidOffer(offer);
    const accepted = acceptDeflateOffer(offers, this.#terms);
    if (accepted === null) throw new Error('None of the extension offers can be accepted');
    return toParameters(accepted.response, like(configurations));
  }

  #acceptResponse(responses: readonly ParameterList[], configurations: readonly Configuration[]): DeflateParameters {
    const agreement = acceptDeflateResponse(responses, this.#terms);
    if (agreement === null) throw new TypeError('accept() was called without a response');
    const params = toParameters(responses[0] as ParameterList, like(configurations));
    // The client's own limit applies whether or not the server confirms it.
    if (this.#terms.clientMaxWindowBits) params.client_max_window_bits = agreement.clientMaxWindowBits;
    return params;
  }

  /**
   * Frees the zlib streams. Pending calls get an error synchronously. The instance may be used again, with empty
   * windows.
   */
  cleanup(): void {
    const deflate = this.#deflate;
    const inflate = this.#inflate;
    this.#deflate = null;
    this.#inflate = null;
    deflate?.close('The deflate stream was closed while data was being processed');
    inflate?.close('The inflate stream was closed while data was being processed');
  }

  /**
   * Compresses a message, or a part of it (§7.2.1). `fin` is true for the last part. Do not change `data` before
   * `callback` was called, which is always asynchronous.
   * @throws TypeError if `data` is neither a string nor a view, or nothing was agreed.
   */
  compress(data: string | NodeJS.ArrayBufferView, fin: boolean, callback: ZlibCallback): void {
    const call = { data: toBuffer(data), fin: !!fin, callback: requireFunction(callback) };
    const { zlibDeflateOptions } = this._options;
    this.#deflate ??= new DeflateDirection(this.#settings(this._isServer ? 'server' : 'client', zlibDeflateOptions));
    this.#deflate.add(call);
  }

  /**
   * Inflates a message, or a part of it (§7.2.2); see {@link compress}. If the message is longer than `maxPayload`, the
   * error has the code `WS_ERR_UNSUPPORTED_MESSAGE_LENGTH`. If `data` is not DEFLATE, the error has zlib's code, such
   * as `Z_DATA_ERROR`. Both errors have `closeCode`.
   */
  decompress(data: string | NodeJS.ArrayBufferView, fin: boolean, callback: ZlibCallback): void {
    const call = { data: toBuffer(data), fin: !!fin, callback: requireFunction(callback) };
    const { zlibInflateOptions } = this._options;
    this.#inflate ??= new InflateDirection(
      this.#settings(this._isServer ? 'client' : 'server', zlibInflateOptions),
      this._maxPayload,
    );
    this.#inflate.add(call);
  }

  #settings(compressor: 'server' | 'client', zlib: ZlibOptions | undefined): ZlibSettings {
    if (this.params === null) throw new TypeError('accept() must be called first');
    const bits = this.params[`${compressor}_max_window_bits`];
    const limit = this._options.concurrencyLimit ?? defaultConcurrencyLimit;
    return {
      zlib: { ...zlib, windowBits: typeof bits === 'number' ? bits : defaultWindowBits },
      takesContextOver: !this.params[`${compressor}_no_context_takeover`],
      concurrencyLimit: limit > 0 ? limit : Number.POSITIVE_INFINITY,
    };
  }
}

/** Returns an object with the prototype of the configurations: none if `extension.parse` has made them. As in `ws`. */
function like([configuration = {}]: readonly Configuration[]): object {
  return Object.create(Object.getPrototypeOf(configuration));
}

/** Converts a list of parameters to properties of an object. */
function toParameters(list: ParameterList, parameters: object): DeflateParameters {
  const result = parameters as Record<string, number | true>;
  for (const [name, value] of list) result[name] = value === true ? true : Number(value);
  return result as DeflateParameters;
}

/** Converts parameters to a list. Windows may already be numbers. */
function toList(configuration: Configuration): ParameterList {
  return Object.entries(configuration).flatMap(([name, values]) => {
    // A parameter without a value, not even `true`, is invalid.
    const list = values.length === 0 ? [undefined] : [...values];
    return list.map((value) => [name, value === true ? true : String(value)] as const);
  });
}

/** Converts an invalid value to a TypeError, because programs for `ws` may test for that. */
function toWsError(error: unknown): unknown {
  const isInvalidValue = error instanceof NegotiationError && error.code === 'GOODWIRE_INVALID_PARAMETER';
  return isInvalidValue ? new TypeError(error.message, { cause: error }) : error;
}

function toBuffer(data: unknown): Buffer {
  if (typeof data === 'string') return Buffer.from(data);
  if (ArrayBuffer.isView(data)) return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  throw invalidType('The first argument must be a string, a Buffer, a TypedArray or a DataView');
}

function requireFunction(callback: ZlibCallback): ZlibCallback {
  if (typeof callback !== 'function') throw invalidType('The last argument must be a function');
  return callback;
}

function invalidType(message: string): TypeError {
  return Object.assign(new TypeError(message), { code: 'ERR_INVALID_ARG_TYPE' });
}
