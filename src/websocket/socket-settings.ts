import { limit } from '../compat/limit.ts';
import type { DeflateAgreement } from '../extension/deflate-negotiation.ts';
import {
  agreedDeflate,
  type PerMessageDeflateOptions,
  readDeflateOptions,
} from '../extension/per-message-deflate-options.ts';
import { TransportSettings } from '../transport/transport-settings.ts';

/** Options of an open socket, as clients and servers are given them. */
export interface SocketSettingsOptions {
  allowSynchronousEvents?: boolean | undefined;
  autoPong?: boolean | undefined;
  closeTimeout?: number | undefined;
  generateMask?: ((mask: Buffer) => void) | undefined;
  maxBufferedChunks?: number | undefined;
  maxFragments?: number | undefined;
  maxPayload?: number | undefined;
  perMessageDeflate?: boolean | PerMessageDeflateOptions | undefined;
  skipUTF8Validation?: boolean | undefined;
}

/**
 * The settings for sockets with these options. Make them once for sockets that share them: it saves memory for each.
 * @param agreement permessage-deflate as it was agreed on, if it was.
 */
export function socketSettings(
  options: SocketSettingsOptions,
  isServer: boolean,
  agreement?: DeflateAgreement,
): TransportSettings {
  const role = isServer ? 'server' : 'client';
  const deflate = agreement === undefined ? null : readDeflateOptions(role, options.perMessageDeflate ?? true);
  const { allowSynchronousEvents, autoPong, closeTimeout, generateMask } = options;
  const { maxBufferedChunks, maxFragments, maxPayload } = options;
  return new TransportSettings({
    role,
    skipUTF8Validation: Boolean(options.skipUTF8Validation),
    ...(maxPayload !== undefined && { maxPayload: limit(maxPayload) }),
    ...(maxFragments !== undefined && { maxFragments: limit(maxFragments) }),
    ...(maxBufferedChunks !== undefined && { maxBufferedChunks: limit(maxBufferedChunks) }),
    ...(autoPong !== undefined && { autoPong: Boolean(autoPong) }),
    ...(allowSynchronousEvents !== undefined && { allowSynchronousEvents: Boolean(allowSynchronousEvents) }),
    ...(closeTimeout !== undefined && { closeTimeout }),
    ...(generateMask !== undefined && { nextMaskingKey: keysFrom(generateMask) }),
    ...(deflate !== null && agreement !== undefined && { deflate: agreedDeflate(deflate, agreement) }),
    ...(deflate?.concurrencyLimit !== undefined && { concurrencyLimit: deflate.concurrencyLimit }),
  });
}

/** Settings that sockets share, and what they were made of. */
export interface SharedSettings {
  readonly settings: TransportSettings;
  readonly madeOf: Readonly<SocketSettingsOptions>;
  /** Those for sockets with permessage-deflate, by what was agreed on: 256 at the most. */
  readonly withDeflate: Map<string, TransportSettings>;
}

/** The settings for the next socket of a server: those of the last one, unless the application has changed an option meanwhile. */
export function sharedSettings(options: SocketSettingsOptions, last?: SharedSettings): SharedSettings {
  const { allowSynchronousEvents, autoPong, closeTimeout, skipUTF8Validation } = options;
  const { maxBufferedChunks, maxFragments, maxPayload, perMessageDeflate } = options;
  if (
    last !== undefined &&
    last.madeOf.maxPayload === maxPayload &&
    last.madeOf.perMessageDeflate === perMessageDeflate &&
    last.madeOf.skipUTF8Validation === skipUTF8Validation &&
    last.madeOf.autoPong === autoPong &&
    last.madeOf.closeTimeout === closeTimeout &&
    last.madeOf.maxFragments === maxFragments &&
    last.madeOf.maxBufferedChunks === maxBufferedChunks &&
    last.madeOf.allowSynchronousEvents === allowSynchronousEvents
  ) {
    return last;
  }
  const madeOf = {
    allowSynchronousEvents,
    autoPong,
    closeTimeout,
    maxBufferedChunks,
    maxFragments,
    maxPayload,
    perMessageDeflate,
    skipUTF8Validation,
  };
  return { settings: socketSettings(madeOf, true), madeOf, withDeflate: new Map() };
}

/** The settings for a socket of a server that has agreed on permessage-deflate so, or not at all. */
export function agreedSettings(shared: SharedSettings, agreement: DeflateAgreement | null): TransportSettings {
  if (agreement === null) return shared.settings;
  const { serverNoContextTakeover, clientNoContextTakeover, serverMaxWindowBits, clientMaxWindowBits } = agreement;
  const key = [serverNoContextTakeover, clientNoContextTakeover, serverMaxWindowBits, clientMaxWindowBits].join();
  let settings = shared.withDeflate.get(key);
  if (settings === undefined) {
    settings = socketSettings(shared.madeOf, true, agreement);
    shared.withDeflate.set(key, settings);
  }
  return settings;
}

/** Masking keys from a function that fills four octets. */
function keysFrom(generateMask: (mask: Buffer) => void): () => number {
  const mask = Buffer.alloc(4);
  return () => {
    generateMask(mask);
    return mask.readInt32LE();
  };
}
