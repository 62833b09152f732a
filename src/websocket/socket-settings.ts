import { limit } from '../compat/limit.ts';
import type { DeflateAgreement } from '../extension/deflate-negotiation.ts';
import {
  agreedDeflate,
  type PerMessageDeflateOptions,
  readDeflateOptions,
} from '../extension/per-message-deflate-options.ts';
import { type TransportOptions, TransportSettings } from '../transport/transport-settings.ts';

/** Options of an open socket, as an application gives them to a client or a server. Each has a row in {@link rows}. */
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

type Name = keyof SocketSettingsOptions;

/** The connection that the options are for. */
interface Context {
  readonly role: 'server' | 'client';
  /** The negotiated parameters of permessage-deflate, if any. */
  readonly agreement: DeflateAgreement | undefined;
}

/** Rule that applies one option. */
interface Row<Value> {
  /** True if the sockets of a `WebSocketServer` have the option. A change of it then makes new settings for later sockets. */
  readonly isOfServer: boolean;
  /** Value for an option that is undefined. Without it such an option is left out. */
  readonly whenUndefined?: Value;
  /** Returns the options of the transport. */
  read(value: Value, context: Context): Partial<TransportOptions>;
}

/** All options of an open socket. An option without a row does not compile: otherwise it would silently not be applied. */
export const rows: { readonly [N in Name]-?: Row<Exclude<SocketSettingsOptions[N], undefined>> } = {
  // The first row, so that an invalid option of permessage-deflate is reported before any other.
  perMessageDeflate: {
    isOfServer: true,
    whenUndefined: true,
    read: (value, { role, agreement }) => {
      const deflate = agreement === undefined ? null : readDeflateOptions(role, value ?? true);
      if (deflate === null || agreement === undefined) return {};
      const { concurrencyLimit } = deflate;
      return {
        deflate: agreedDeflate(deflate, agreement),
        ...(concurrencyLimit !== undefined && { concurrencyLimit }),
      };
    },
  },
  allowSynchronousEvents: { isOfServer: true, read: (value) => ({ allowSynchronousEvents: Boolean(value) }) },
  autoPong: { isOfServer: true, read: (value) => ({ autoPong: Boolean(value) }) },
  closeTimeout: { isOfServer: true, read: (closeTimeout) => ({ closeTimeout }) },
  // Not of a server, which does not mask (§5.1).
  generateMask: { isOfServer: false, read: (value) => ({ nextMaskingKey: keysFrom(value) }) },
  maxBufferedChunks: { isOfServer: true, read: (value) => ({ maxBufferedChunks: limit(value) }) },
  maxFragments: { isOfServer: true, read: (value) => ({ maxFragments: limit(value) }) },
  maxPayload: { isOfServer: true, read: (value) => ({ maxPayload: limit(value) }) },
  skipUTF8Validation: {
    isOfServer: true,
    whenUndefined: false,
    read: (value) => ({ skipUTF8Validation: Boolean(value) }),
  },
};

const names = Object.keys(rows) as readonly Name[];
const namesOfServer = names.filter((name) => rows[name].isOfServer);

/**
 * Returns the settings for sockets with these options. Sockets with the same options should share the settings, which saves memory for
 * each.
 * @param agreement The negotiated parameters of permessage-deflate, if any.
 * @throws TypeError, RangeError if an option of permessage-deflate is invalid.
 */
export function socketSettings(
  options: SocketSettingsOptions,
  isServer: boolean,
  agreement?: DeflateAgreement,
): TransportSettings {
  const role = isServer ? 'server' : 'client';
  const context: Context = { role, agreement };
  const settings: TransportOptions = { role };
  for (const name of names) {
    const row = rows[name];
    const given = options[name];
    const value = given === undefined ? row.whenUndefined : given;
    if (value !== undefined) Object.assign(settings, row.read(value as never, context));
  }
  return new TransportSettings(settings);
}

/** Settings that the sockets of a server share. */
export interface SharedSettings {
  readonly settings: TransportSettings;
  /** The options that the settings were built from. */
  readonly madeOf: Readonly<SocketSettingsOptions>;
  /** Settings for sockets with permessage-deflate, by its parameters: at most 256. */
  readonly withDeflate: Map<string, TransportSettings>;
}

/**
 * Returns the settings for the next socket of a server.
 * @param last Settings of the previous socket. They are returned again unless the application has changed an option.
 */
export function sharedSettings(options: SocketSettingsOptions, last?: SharedSettings): SharedSettings {
  if (last !== undefined && isUnchanged(options, last.madeOf)) return last;
  const madeOf: SocketSettingsOptions = Object.fromEntries(namesOfServer.map((name) => [name, options[name]]));
  return { settings: socketSettings(madeOf, true), madeOf, withDeflate: new Map() };
}

function isUnchanged(options: SocketSettingsOptions, madeOf: SocketSettingsOptions): boolean {
  for (const name of namesOfServer) if (options[name] !== madeOf[name]) return false;
  return true;
}

/** Returns the settings for a socket of a server, with the negotiated parameters of permessage-deflate, or with null for none. */
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

/** Returns a source of masking keys that calls a function which fills four octets. */
function keysFrom(generateMask: (mask: Buffer) => void): () => number {
  const mask = Buffer.alloc(4);
  return () => {
    generateMask(mask);
    return mask.readInt32LE();
  };
}
