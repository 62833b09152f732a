import { type DeflateOptions, EndpointDeflate } from '../extension/endpoint-deflate.ts';
import type { Role } from '../frame/frame.ts';
import { FrameDecoder, type FrameDecoderOptions } from '../frame/frame-decoder.ts';
import { FrameWriter } from '../frame/frame-writer.ts';
import { nextMaskingKey } from '../frame/masking-key.ts';
import { MessageDecoder, type MessageDecoderOptions, type MessageSink } from '../message/message-decoder.ts';

/** Options of a `Connection`. Only the role is required. */
export interface ConnectionOptions extends Omit<FrameDecoderOptions, 'allowRsv1'>, MessageDecoderOptions {
  readonly role: Role;
  /**
   * Maximum length of a message in octets, over all its frames, both as received and inflated. 0 is unlimited. Default
   * 100 MiB.
   */
  readonly maxPayload?: number;
  /** permessage-deflate as agreed in the opening handshake (RFC 7692). Default: not agreed. */
  readonly deflate?: DeflateOptions | undefined;
  /** True if pings are answered automatically (§5.5.2). Default true. */
  readonly autoPong?: boolean;
  /** Source of masking keys. Default: a pool of cryptographic randomness. */
  readonly nextMaskingKey?: () => number;
}

/** Maximum number of spare writers of one {@link ConnectionSettings}. */
const maxSpareWriters = 64;

/** Sink of decoders that are not in use. */
const unusedSink: MessageSink = { message: () => true };

/** The decoders of a connection: one for frames, and one for messages on top of it. */
export interface Reader {
  readonly frames: FrameDecoder;
  readonly messages: MessageDecoder;
  /** Settings whose limits the decoders have. */
  readonly settings: ConnectionSettings;
}

/**
 * Options, checked once for all connections that use them. These connections also share decoders and writers, because a
 * connection needs its own only inside a message or with data to send. Most connections are idle most of the time.
 */
export class ConnectionSettings {
  readonly role: Role;
  readonly autoPong: boolean;
  /** True if text and close reasons must be UTF-8. */
  readonly validates: boolean;
  /** permessage-deflate; null if it was not agreed. */
  readonly deflate: EndpointDeflate | null;
  /** The options from which these settings were made. */
  readonly options: ConnectionOptions;
  private spareReader: Reader | null = null;
  private readonly spareWriters: FrameWriter[] = [];

  /**
   * Checks options once for many connections.
   * @throws RangeError if a limit is invalid.
   */
  constructor(options: ConnectionOptions) {
    this.role = options.role;
    this.autoPong = options.autoPong !== false;
    this.validates = options.skipUTF8Validation !== true;
    this.deflate = options.deflate === undefined ? null : new EndpointDeflate(options.role, options.deflate);
    this.options = options;
    this.spareReader = this.#createReader();
  }

  /** Returns decoders that no connection uses. */
  takeReader(): Reader {
    const reader = this.spareReader;
    if (reader === null) return this.#createReader();
    this.spareReader = null;
    return reader;
  }

  /** Takes back decoders that are between two messages. */
  giveReader(reader: Reader): void {
    reader.messages.sink = unusedSink;
    if (reader.settings === this) this.spareReader = reader;
  }

  /** Returns a writer that no connection uses. */
  takeWriter(): FrameWriter {
    return (
      this.spareWriters.pop() ?? new FrameWriter(this.role === 'client', this.options.nextMaskingKey ?? nextMaskingKey)
    );
  }

  /** Takes back a writer that is empty and has released its slab. */
  giveWriter(writer: FrameWriter): void {
    if (this.spareWriters.length < maxSpareWriters) this.spareWriters.push(writer);
  }

  #createReader(): Reader {
    return {
      frames: new FrameDecoder({ ...this.options, allowRsv1: this.deflate !== null }),
      messages: new MessageDecoder(unusedSink, this.options),
      settings: this,
    };
  }
}
