import { type ConnectionOptions, ConnectionSettings } from '../connection/connection-settings.ts';
import { defaultConcurrencyLimit } from '../extension/zlib-concurrency.ts';
import { defaultMaxPayload } from '../frame/frame-decoder.ts';

export { defaultMaxPayload };

/** Options of a `Transport`: those of its connection, and its own. All but the role have a default. */
export interface TransportOptions extends ConnectionOptions {
  /**
   * Maximum number of milliseconds from the start of the closing handshake, or from a failure, until the stream is destroyed (§7.1.1).
   * A client's timer starts anew when the closing handshake is complete: after at most one second for the server to end the stream, the
   * client ends its own side and waits as long again. Default 30 000.
   */
  readonly closeTimeout?: number;
  /** True if several messages of one chunk may be delivered in one tick. Default true. */
  readonly allowSynchronousEvents?: boolean;
  /** Maximum number of large messages in zlib at a time in this process, this one included. Default 10; 0 disables the limit. */
  readonly concurrencyLimit?: number;
}

/** Options, checked once for all transports that share them; see {@link ConnectionSettings}. */
export class TransportSettings extends ConnectionSettings {
  readonly closeTimeout: number;
  /** True if each event is delivered in a turn of the event loop of its own. */
  readonly defersEvents: boolean;
  readonly concurrencyLimit: number;

  /** @throws RangeError if a limit is invalid. */
  constructor(options: TransportOptions) {
    super(options);
    // Otherwise a timer would take a larger delay for one millisecond.
    this.closeTimeout = Math.min(options.closeTimeout ?? defaultCloseTimeout, maxTimerDelay);
    this.defersEvents = options.allowSynchronousEvents === false;
    this.concurrencyLimit = options.concurrencyLimit ?? defaultConcurrencyLimit;
  }

  /** Returns settings that differ in some options, for one connection of those that share these. @throws as the constructor. */
  changed(options: Partial<TransportOptions>): TransportSettings {
    return new TransportSettings({ ...this.options, ...options });
  }
}

/** Maximum delay of a timer, in milliseconds. */
export const maxTimerDelay: number = 2 ** 31 - 1;

/** Default of {@link TransportOptions.closeTimeout}: 30 seconds, as in `ws`. */
export const defaultCloseTimeout = 30_000;
