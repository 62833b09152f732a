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

/** The options of {@link PerMessageDeflate}: those of `ws`. */
export interface PerMessageDeflateOptions
  extends DeflateNegotiationOptions,
    Pick<DeflateOptions, 'threshold' | 'concurrencyLimit'> {
  /** Options for deflating; the window among them is the one that was agreed. */
  zlibDeflateOptions?: ZlibOptions | undefined;
  /** Options for inflating; the window among them is the one that was agreed. */
  zlibInflateOptions?: ZlibOptions | undefined;
  /** Which end of the connection this is. Default: the client's. */
  isServer?: boolean | undefined;
  /** The most octets that a message may inflate to; less than 1 is no limit. Cut to 32 bits. Default 0. */
  maxPayload?: number | undefined;
}

/** Parameters of an offer or a response as objects; a window is a number, the rest `true`. */
export interface DeflateParameters {
  server_no_context_takeover?: true;
  client_no_context_takeover?: true;
  server_max_window_bits?: number;
  /** `true` in an offer only. */
  client_max_window_bits?: number | true;
}

/** Parameters as `extension.parse` gives them: each with the list of its values. */
type Configuration = Readonly<Record<string, readonly unknown[]>>;

const defaultWindowBits = 15;

/**
 * permessage-deflate (RFC 7692) as `ws` exports it, an adapter: the negotiation is that of src/extension/, the transformation streams
 * of `node:zlib`, the plain way. One instance is one end of one connection.
 *
 * Its fields with an underscore are those of `ws` that packages look at.
 */
export class PerMessageDeflate {
  /** The name under which it is negotiated. */
  static get extensionName(): string {
    return permessageDeflate;
  }

  readonly _options: PerMessageDeflateOptions;
  readonly _threshold: number;
  readonly _maxPayload: number;
  readonly _isServer: boolean;
  /** What was agreed; null before {@link accept}. */
  params: DeflateParameters | null = null;
  readonly #terms: DeflateTerms;
  #deflate: DeflateDirection | null = null;
  #inflate: InflateDirection | null = null;

  /** @throws TypeError when a window is neither a number nor a boolean, RangeError when it is not a whole number from 8 to 15. */
  constructor(options?: PerMessageDeflateOptions) {
    this._options = options || {};
    this.#terms = deflateTerms(this._options);
    this._threshold = this._options.threshold === undefined ? defaultThreshold : this._options.threshold;
    this._maxPayload = (this._options.maxPayload as number) | 0;
    this._isServer = !!this._options.isServer;
  }

  /** The zlib stream that deflates; null before the first message and after {@link cleanup}. */
  get _deflate(): DeflateRaw | null {
    return this.#deflate?.stream ?? null;
  }

  /** The zlib stream that inflates; null before the first message and after {@link cleanup}. */
  get _inflate(): InflateRaw | null {
    return this.#inflate?.stream ?? null;
  }

  /** The parameters of a client's offer. */
  offer(): DeflateParameters {
    return toParameters(offerDeflate(this.#terms), {});
  }

  /**
   * Server: accepts the first of a client's offers that it can, and gives the parameters of the response. Client: accepts the response
   * to its offer.
   * @throws TypeError when a value is invalid, Error when something else is: one offer that breaks a rule is enough, as in `ws`.
   */
  accept(configurations: readonly Configuration[]): DeflateParameters {
    const lists = configurations.map(toList);
    try {
      this.params = this._isServer ? this.#acceptOffer(lists) : this.#acceptResponse(lists);
    } catch (error) {
      throw toWsError(error);
    }
    return this.params;
  }

  #acceptOffer(offers: readonly ParameterList[]): DeflateParameters {
    for (const offer of offers) requireValidOffer(offer);
    const accepted = acceptDeflateOffer(offers, this.#terms);
    if (accepted === null) throw new Error('None of the extension offers can be accepted');
    return toParameters(accepted.response);
  }

  #acceptResponse(responses: readonly ParameterList[]): DeflateParameters {
    const agreement = acceptDeflateResponse(responses, this.#terms);
    if (agreement === null) throw new TypeError('There is no response to accept');
    const params = toParameters(responses[0] as ParameterList);
    // What the client said of itself holds whether or not the server confirms it.
    if (this.#terms.clientMaxWindowBits) params.client_max_window_bits = agreement.clientMaxWindowBits;
    return params;
  }

  /**
   * Frees the zlib streams. Calls that have not been answered get an error, at once. It can be used again: with windows that are empty.
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
   * Compresses a message, or a part of it (§7.2.1). `fin` says that it ends there. What `data` holds must not change before `callback`
   * has been called, which is never before this method has returned.
   * @throws TypeError when `data` is neither a string nor a view, or nothing has been agreed.
   */
  compress(data: string | NodeJS.ArrayBufferView, fin: boolean, callback: ZlibCallback): void {
    const call = { data: toBuffer(data), fin: !!fin, callback: requireFunction(callback) };
    const { zlibDeflateOptions } = this._options;
    this.#deflate ??= new DeflateDirection(this.#settings(this._isServer ? 'server' : 'client', zlibDeflateOptions));
    this.#deflate.add(call);
  }

  /**
   * Inflates a message, or a part of it (§7.2.2); see {@link compress}. The error of a message that is longer than `maxPayload` has the
   * code `WS_ERR_UNSUPPORTED_MESSAGE_LENGTH`, of octets that are not DEFLATE zlib's, such as `Z_DATA_ERROR`; both have `closeCode`.
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
    if (this.params === null) throw new TypeError('Nothing has been agreed: accept() comes first');
    const bits = this.params[`${compressor}_max_window_bits`];
    const limit = this._options.concurrencyLimit ?? defaultConcurrencyLimit;
    return {
      zlib: { ...zlib, windowBits: typeof bits === 'number' ? bits : defaultWindowBits },
      takesContextOver: !this.params[`${compressor}_no_context_takeover`],
      concurrencyLimit: limit > 0 ? limit : Number.POSITIVE_INFINITY,
    };
  }
}

/** `ws` gives parsed parameters without a prototype, and its own offer with one. */
function toParameters(list: ParameterList, parameters: object = Object.create(null)): DeflateParameters {
  const result = parameters as Record<string, number | true>;
  for (const [name, value] of list) result[name] = value === true ? true : Number(value);
  return result as DeflateParameters;
}

/** Windows may be numbers already. */
function toList(configuration: Configuration): ParameterList {
  return Object.entries(configuration).flatMap(([name, values]) => {
    // A parameter without a value, not even `true`, is none that could be accepted.
    const list = values.length === 0 ? [undefined] : [...values];
    return list.map((value) => [name, value === true ? true : String(value)] as const);
  });
}

/** Programs for `ws` may test for a TypeError. */
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
