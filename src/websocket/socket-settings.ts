import { limit } from '../compat/limit.ts';
import { TransportSettings } from '../transport/transport.ts';

/** Options of an open socket, as clients and servers are given them. */
export interface SocketSettingsOptions {
  allowSynchronousEvents?: boolean | undefined;
  autoPong?: boolean | undefined;
  closeTimeout?: number | undefined;
  generateMask?: ((mask: Buffer) => void) | undefined;
  maxBufferedChunks?: number | undefined;
  maxFragments?: number | undefined;
  maxPayload?: number | undefined;
  skipUTF8Validation?: boolean | undefined;
}

/** The settings for sockets with these options. Make them once for sockets that share them: it saves memory for each. */
export function socketSettings(options: SocketSettingsOptions, isServer: boolean): TransportSettings {
  const { allowSynchronousEvents, autoPong, closeTimeout, generateMask } = options;
  const { maxBufferedChunks, maxFragments, maxPayload } = options;
  return new TransportSettings({
    role: isServer ? 'server' : 'client',
    skipUTF8Validation: Boolean(options.skipUTF8Validation),
    ...(maxPayload !== undefined && { maxPayload: limit(maxPayload) }),
    ...(maxFragments !== undefined && { maxFragments: limit(maxFragments) }),
    ...(maxBufferedChunks !== undefined && { maxBufferedChunks: limit(maxBufferedChunks) }),
    ...(autoPong !== undefined && { autoPong: Boolean(autoPong) }),
    ...(allowSynchronousEvents !== undefined && { allowSynchronousEvents: Boolean(allowSynchronousEvents) }),
    ...(closeTimeout !== undefined && { closeTimeout }),
    ...(generateMask !== undefined && { nextMaskingKey: keysFrom(generateMask) }),
  });
}

/** Settings that sockets share, and what they were made of. */
export interface SharedSettings {
  readonly settings: TransportSettings;
  readonly madeOf: Readonly<SocketSettingsOptions>;
}

/** The settings for the next socket of a server: those of the last one, unless the application has changed an option meanwhile. */
export function sharedSettings(options: SocketSettingsOptions, last?: SharedSettings): SharedSettings {
  const { allowSynchronousEvents, autoPong, closeTimeout, skipUTF8Validation } = options;
  const { maxBufferedChunks, maxFragments, maxPayload } = options;
  if (
    last !== undefined &&
    last.madeOf.maxPayload === maxPayload &&
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
    skipUTF8Validation,
  };
  return { settings: socketSettings(madeOf, true), madeOf };
}

/** Masking keys from a function that fills four octets. */
function keysFrom(generateMask: (mask: Buffer) => void): () => number {
  const mask = Buffer.alloc(4);
  return () => {
    generateMask(mask);
    return mask.readInt32LE();
  };
}
