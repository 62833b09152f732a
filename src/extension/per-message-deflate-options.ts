import { createDeflateRaw, createInflateRaw, type ZlibOptions } from 'node:zlib';
import type { Role } from '../frame/frame.ts';
import {
  type DeflateAgreement,
  type DeflateNegotiationOptions,
  type DeflateTerms,
  deflateTerms,
} from './deflate-negotiation.ts';
import type { DeflateOptions } from './endpoint-deflate.ts';

/** `zlib`'s options, with the forms of a dictionary that programs typed for `ws` may pass. */
export type ZlibStreamOptions = Omit<ZlibOptions, 'dictionary'> & {
  dictionary?: Buffer | Buffer[] | DataView | undefined;
};

/** The option `perMessageDeflate` of clients and servers: what is offered or agreed to (RFC 7692 §7.1), and what is made of it. */
export interface PerMessageDeflateOptions
  extends Pick<DeflateNegotiationOptions, 'serverNoContextTakeover' | 'clientNoContextTakeover'> {
  /** See {@link DeflateNegotiationOptions.serverMaxWindowBits}: 8–15. */
  serverMaxWindowBits?: number | undefined;
  /** See {@link DeflateNegotiationOptions.clientMaxWindowBits}: 8–15. */
  clientMaxWindowBits?: number | undefined;
  /**
   * Whether messages may refer to those before them, in both directions, where neither the options above nor the peer say otherwise. Small
   * messages then compress two to three times as well, and a connection holds up to 290 KiB of zlib's memory. Default: true for a client,
   * as with `ws`; false for a server, whose connections hold none: `serverNoContextTakeover` and `clientNoContextTakeover` are then true.
   */
  contextTakeover?: boolean | undefined;
  /**
   * How messages are compressed: `level`, `memLevel`, `strategy` and `dictionary`. The window is the one that was agreed on, and the other
   * options are for streams. Default: zlib's, but level 1 from 4 KiB on without context takeover.
   */
  zlibDeflateOptions?: ZlibStreamOptions | undefined;
  /** How messages are inflated: `dictionary`. */
  zlibInflateOptions?: ZlibOptions | undefined;
  /** Octets below which a message is not compressed, unless context is taken over. Default 1024. */
  threshold?: number | undefined;
  /**
   * How many messages may be with zlib's threads in this process when one more begins; it waits else. Default 10; 0 is no limit. Only
   * large messages go there: more than 16 KiB to be compressed, or 256 KiB when inflated.
   */
  concurrencyLimit?: number | undefined;
}

/** {@link PerMessageDeflateOptions} that have been checked. */
export interface DeflateConfiguration {
  readonly terms: DeflateTerms;
  /** What an endpoint makes of an agreement. */
  readonly options: Omit<DeflateOptions, 'agreement'>;
  readonly concurrencyLimit: number | undefined;
}

/**
 * Reads the option. Null for none: neither offered nor accepted.
 * @throws TypeError, RangeError for windows, a threshold or a limit that are none; zlib's for options that it does not take.
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
  const configuration = {
    terms: deflateTerms({
      ...options,
      serverNoContextTakeover: options.serverNoContextTakeover ?? forbidden,
      clientNoContextTakeover: options.clientNoContextTakeover ?? forbidden,
    }),
    options: { threshold: options.threshold ?? undefined, zlibDeflateOptions, zlibInflateOptions },
    concurrencyLimit: options.concurrencyLimit ?? undefined,
  };
  // Now, and not with the first message.
  if (zlibDeflateOptions) createDeflateRaw({ ...zlibDeflateOptions, windowBits: 15 }).close();
  if (zlibInflateOptions) createInflateRaw({ ...zlibInflateOptions, windowBits: 15 }).close();
  return configuration;
}

/** What an endpoint makes of an agreement. */
export function agreedDeflate(configuration: DeflateConfiguration, agreement: DeflateAgreement): DeflateOptions {
  return { ...configuration.options, agreement };
}

function requireNumber(name: string, value: unknown): void {
  if (value === undefined || value === null) return;
  if (typeof value !== 'number') throw new TypeError(`${name} must be a number, not a ${typeof value}`);
  if (!(value >= 0)) throw new RangeError(`${name} must be 0 or more, not ${value}`);
}
