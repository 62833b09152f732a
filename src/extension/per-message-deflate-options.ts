import { createDeflateRaw, createInflateRaw, type ZlibOptions } from 'node:zlib';
import type { Role } from '../frame/frame.ts';
import {
  type DeflateAgreement,
  type DeflateNegotiationOptions,
  type DeflateTerms,
  deflateTerms,
} from './deflate-negotiation.ts';
import type { DeflateOptions } from './endpoint-deflate.ts';

/** Options of `zlib`, with all types of `dictionary` that programs typed for `ws` may pass. */
export type ZlibStreamOptions = Omit<ZlibOptions, 'dictionary'> & {
  dictionary?: Buffer | Buffer[] | DataView | undefined;
};

/**
 * Option `perMessageDeflate` of clients and servers: which parameters are offered or accepted (RFC 7692 §7.1), and how
 * zlib is used.
 */
export interface PerMessageDeflateOptions
  extends Pick<DeflateNegotiationOptions, 'serverNoContextTakeover' | 'clientNoContextTakeover'> {
  /** See {@link DeflateNegotiationOptions.serverMaxWindowBits}: 8–15. */
  serverMaxWindowBits?: number | undefined;
  /** See {@link DeflateNegotiationOptions.clientMaxWindowBits}: 8–15. */
  clientMaxWindowBits?: number | undefined;
  /**
   * True if messages may refer to earlier ones, in both directions, unless the options above or the peer forbid it.
   * Small messages then compress two to three times as well, and a connection holds up to 290 KiB of zlib's memory.
   * Default true for a client, as in `ws`. Default false for a server, whose connections then hold none of that memory:
   * `serverNoContextTakeover` and `clientNoContextTakeover` default to true.
   */
  contextTakeover?: boolean | undefined;
  /**
   * zlib options for compressing: `level`, `memLevel`, `strategy` and `dictionary`. The window comes from the
   * negotiation; zlib's other options are ignored. Default: zlib's, but level 1 for messages of 4 KiB and more without
   * context takeover.
   */
  zlibDeflateOptions?: ZlibStreamOptions | undefined;
  /** zlib option for inflating: `dictionary`. */
  zlibInflateOptions?: ZlibOptions | undefined;
  /** Minimum length in octets of messages that are compressed without context takeover. Default 1024. */
  threshold?: number | undefined;
  /**
   * Maximum number of messages of this process that are in zlib's thread pool at once; further messages wait. 0 is
   * unlimited. Default 10. Only large messages go there: more than 16 KiB to compress, or 256 KiB when inflated.
   */
  concurrencyLimit?: number | undefined;
  /**
   * Maximum number of final blocks of DEFLATE in a message that is inflated (RFC 7692 §7.2.3.4): each costs a new stream
   * of zlib. A message with more fails the connection with close code 1007. 0 is unlimited. Default 1024.
   */
  maxFinalBlocks?: number | undefined;
}

/** Checked {@link PerMessageDeflateOptions}. */
export interface DeflateConfiguration {
  readonly terms: DeflateTerms;
  /** Settings of an endpoint, to be combined with an agreement. */
  readonly options: Omit<DeflateOptions, 'agreement'>;
  readonly concurrencyLimit: number | undefined;
}

/**
 * Checks the option. Returns null if permessage-deflate is disabled: neither offered nor accepted.
 * @throws TypeError or RangeError if a window, the threshold or the limit is invalid; zlib's errors if its options are
 *   invalid.
 */
export function readDeflateOptions(
  role: Role,
  given: boolean | PerMessageDeflateOptions | null | undefined,
): DeflateConfiguration | null {
  if (!given) return null;
  const options: PerMessageDeflateOptions = given === true ? {} : given;
  const { zlibDeflateOptions, zlibInflateOptions } = options as DeflateOptions;
  const forbidden = (options.contextTakeover ?? role === 'client') ? undefined : true;
  requireNumber('threshold', options.threshold);
  requireNumber('concurrencyLimit', options.concurrencyLimit);
  requireNumber('maxFinalBlocks', options.maxFinalBlocks);
  const configuration = {
    terms: deflateTerms({
      ...options,
      serverNoContextTakeover: options.serverNoContextTakeover ?? forbidden,
      clientNoContextTakeover: options.clientNoContextTakeover ?? forbidden,
    }),
    options: {
      threshold: options.threshold ?? undefined,
      maxFinalBlocks: options.maxFinalBlocks ?? undefined,
      zlibDeflateOptions,
      zlibInflateOptions,
    },
    concurrencyLimit: options.concurrencyLimit ?? undefined,
  };
  // Otherwise invalid zlib options would only be reported with the first message.
  if (zlibDeflateOptions) createDeflateRaw({ ...zlibDeflateOptions, windowBits: 15 }).close();
  if (zlibInflateOptions) createInflateRaw({ ...zlibInflateOptions, windowBits: 15 }).close();
  return configuration;
}

/** Combines the settings of an endpoint with an agreement. */
export function agreedDeflate(configuration: DeflateConfiguration, agreement: DeflateAgreement): DeflateOptions {
  return { ...configuration.options, agreement };
}

function requireNumber(name: string, value: unknown): void {
  if (value === undefined || value === null) return;
  if (typeof value !== 'number') throw new TypeError(`${name} must be a number, not a ${typeof value}`);
  if (!(value >= 0)) throw new RangeError(`${name} must be 0 or more, not ${value}`);
}
