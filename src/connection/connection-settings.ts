import { type DeflateOptions, EndpointDeflate } from '../extension/endpoint-deflate.ts';
import type { Role } from '../frame/frame.ts';
import { FrameDecoder, type FrameDecoderOptions } from '../frame/frame-decoder.ts';
import { FrameWriter } from '../frame/frame-writer.ts';
import { nextMaskingKey } from '../frame/masking-key.ts';
import { MessageDecoder, type MessageDecoderOptions, type MessageSink } from '../message/message-decoder.ts';

/** What a `Connection` needs to know; all but the role has a default. */
export interface ConnectionOptions extends Omit<FrameDecoderOptions, 'allowRsv1'>, MessageDecoderOptions {
  readonly role: Role;
  /** The longest message in octets, over all its frames, and as it is sent and inflated alike; 0 is no limit. Default 100 MiB. */
  readonly maxPayload?: number;
  /** permessage-deflate as it was agreed on in the opening handshake (RFC 7692). Default: it was not. */
  readonly deflate?: DeflateOptions | undefined;
  /** Whether a ping is answered by itself (§5.5.2). Default true. */
  readonly autoPong?: boolean;
  /** Where masking keys come from; default a pool of strong randomness. */
  readonly nextMaskingKey?: () => number;
}

/** Maximum number of spare writers of one {@link ConnectionSettings}. */
const maxSpareWriters = 64;

/** The sink of decoders that nobody uses just now. */
const nobody: MessageSink = { message: () => true };

/** The two decoders of a connection: frames and, on them, messages. */
export interface Reader {
  readonly frames: FrameDecoder;
  readonly messages: MessageDecoder;
  /** Whose limits they hold. */
  readonly settings: ConnectionSettings;
}

/**
 * Options, checked once for all connections that have them. The connections also share decoders and writers: one needs its own only
 * while it is inside a message or has something to send, and most are idle most of the time.
 */
export class ConnectionSettings {
  readonly role: Role;
  readonly autoPong: boolean;
  /** Whether text and close reasons must be UTF-8. */
  readonly validates: boolean;
  /** permessage-deflate, if it was agreed on. */
  readonly deflate: EndpointDeflate | null;
  /** What they were made of. */
  readonly options: ConnectionOptions;
  private spareReader: Reader | null = null;
  private readonly spareWriters: FrameWriter[] = [];

  /** @throws RangeError for a limit that is none. */
  constructor(options: ConnectionOptions) {
    this.role = options.role;
    this.autoPong = options.autoPong !== false;
    this.validates = options.skipUTF8Validation !== true;
    this.deflate = options.deflate === undefined ? null : new EndpointDeflate(options.role, options.deflate);
    this.options = options;
    this.spareReader = this.#createReader();
  }

  /** A pair of decoders that nobody else uses. */
  takeReader(): Reader {
    const reader = this.spareReader;
    if (reader === null) return this.#createReader();
    this.spareReader = null;
    return reader;
  }

  /** Takes back a pair of decoders that stands between two messages. */
  giveReader(reader: Reader): void {
    reader.messages.sink = nobody;
    if (reader.settings === this) this.spareReader = reader;
  }

  /** A writer that nobody else uses. */
  takeWriter(): FrameWriter {
    return (
      this.spareWriters.pop() ?? new FrameWriter(this.role === 'client', this.options.nextMaskingKey ?? nextMaskingKey)
    );
  }

  /** Takes back a writer that is empty, and whose slab was released. */
  giveWriter(writer: FrameWriter): void {
    if (this.spareWriters.length < maxSpareWriters) this.spareWriters.push(writer);
  }

  #createReader(): Reader {
    return {
      frames: new FrameDecoder({ ...this.options, allowRsv1: this.deflate !== null }),
      messages: new MessageDecoder(nobody, this.options),
      settings: this,
    };
  }
}
