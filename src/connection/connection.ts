import type { MessageDeflater, MessageInflater } from '../extension/deflate-messages.ts';
import { InflateError } from '../extension/inflate-error.ts';
import { CloseCode } from '../frame/close-code.ts';
import type { FrameHeader } from '../frame/frame.ts';
import { defaultMaxPayload, type FrameSink } from '../frame/frame-decoder.ts';
import { requireTrueLength } from '../frame/frame-encoder.ts';
import type { FrameWriter } from '../frame/frame-writer.ts';
import { type ControlOpcode, Opcode } from '../frame/opcode.ts';
import { ProtocolError } from '../frame/protocol-error.ts';
import type { MessageData, MessageSink } from '../message/message-decoder.ts';
import { writeMessage } from '../message/write-message.ts';
import { formatClosePayload, parseClosePayload } from './close-payload.ts';
import { type ConnectionOptions, ConnectionSettings, type Reader } from './connection-settings.ts';
import { type ConnectionState, nextState } from './connection-state.ts';

/**
 * Inflate budget of one {@link Connection.receive}, if the owner supports `inflate`: 256 KiB, about half a millisecond.
 * Other connections are served after that.
 */
const inflateBudget = 262_144;

/**
 * Error for a peer that broke a rule of RFC 6455, or sent invalid compressed data (RFC 7692). Both types have the close
 * code for failing the connection.
 */
export type PeerError = ProtocolError | InflateError;

function isPeerError(error: unknown): error is PeerError {
  return error instanceof ProtocolError || error instanceof InflateError;
}

/**
 * Callbacks of a {@link Connection}, called inside {@link Connection.receive} in wire order. If a callback throws,
 * `receive` throws the same error and the connection stays valid: the unconsumed octets can be passed again.
 */
export interface ConnectionEvents {
  /** Handles a complete message. Its octets may lie in the chunk passed to `receive`. */
  message(data: MessageData, isBinary: boolean): void;
  /** Handles a ping. Its pong was already written unless `autoPong` is off. */
  ping(payload: Buffer): void;
  /**
   * Answers a ping in place of the connection, by {@link Connection.pong}, before the event. Returns false to leave the
   * answer to the connection. Not called if `autoPong` is off.
   */
  answerPing?(payload: Buffer): boolean;
  /** Handles a pong. */
  pong(payload: Buffer): void;
  /**
   * Handles the peer's close frame. Code 1005 means no code (§7.1.5). Our close frame was already written unless
   * `holdsClose`, or `answersClose` returned true.
   */
  closeReceived(code: number, reason: Buffer): void;
  /**
   * Returns true to answer the peer's close frame by {@link Connection.close}, in place of the connection. Messages may
   * be sent before that.
   */
  answersClose?(): boolean;
  /** Handles a broken rule. The connection was failed (§7.1.7), and the close frame for the error was written. */
  failure(error: PeerError): void;
  /**
   * Handles a compressed message of more than 256 KiB, compressed or inflated, which takes long to inflate.
   * {@link Connection.receive} returns behind it. Before the next call, pass the result to {@link Connection.inflated},
   * or the error to {@link Connection.fail}. `receive` then also returns after inflating 256 KiB of small messages, so
   * that other connections are served. Without this callback everything is inflated at once, however long that takes.
   * @param inflater Has the options and, with context takeover, the window; see {@link MessageInflater.dictionary}.
   */
  inflate?(octets: Buffer, isBinary: boolean, inflater: MessageInflater): void;
  /**
   * Called when {@link Connection.receive} has processed its `maxFrames`. Returns the number of further frames, or 0 to
   * stop behind this one. Default 0.
   */
  moreFrames?(): number;
}

/**
 * WebSocket connection after its opening handshake (§5–7), as a value without I/O: octets in, events and octets out, no
 * socket, no timer.
 *
 * Pass received octets to {@link receive}, and then send the octets from {@link takeOutgoing}. Each end of a connection
 * is one of these.
 *
 * @example
 * ```ts
 * import { Connection } from 'goodwire/protocol';
 *
 * const server = new Connection(
 *   { role: 'server' },
 *   {
 *     message: (data, isBinary) => server.send(data as Buffer, isBinary),
 *     ping: () => {},
 *     pong: () => {},
 *     closeReceived: (code) => console.log(`closed: ${code}`),
 *     failure: (error) => console.error(error.detail),
 *   },
 * );
 * server.receive(Buffer.from('81 85 37 fa 21 3d 7f 9f 4d 51 58'.replaceAll(' ', ''), 'hex')); // a masked "Hello"
 * console.log(server.takeOutgoing()); // the octets to send
 * ```
 */
export class Connection implements FrameSink, MessageSink {
  /** Set by the owner to stop behind the current message. {@link receive} then returns before the end of its chunk. */
  isSuspended = false;
  /**
   * Set by the owner while earlier messages of the application must still be sent. The close frame is then not echoed
   * automatically.
   */
  holdsClose = false;
  /**
   * Set by the owner while the peer does not read. Only the latest ping is then answered, by {@link sendOwedPong}
   * (§5.5.3).
   */
  isCongested = false;
  /**
   * True if {@link receive} stopped because its budget of frames or of inflating was used up. Other connections should
   * be served first.
   */
  isExhausted = false;

  /** Current settings; see {@link changeSettings}. */
  settings: ConnectionSettings;
  private readonly events: ConnectionEvents;
  /** Decoders; null between messages. */
  private reader: Reader | null = null;
  /** Writer with the outgoing frames; null if there are none. */
  private writing: FrameWriter | null = null;
  private keeps = false;
  private isFragmented = false;
  /** True if the fragmented message being sent is compressed. */
  private isCompressed = false;
  /**
   * Set by the first compressed message. With context takeover it belongs to this connection; otherwise it is shared.
   */
  private deflater: MessageDeflater | null = null;
  private inflater: MessageInflater | null = null;
  private owedPong: Buffer | null = null;
  private taken = 0;
  /** True inside {@link receive}, and below inside a callback. */
  private isInReceive = false;
  private isInEvent = false;
  #state: ConnectionState = 'open';

  /**
   * Creates one end of a connection whose opening handshake is done.
   * @param options Options, or {@link ConnectionSettings} made of them for many connections with the same options.
   * @throws RangeError if a limit is invalid.
   */
  constructor(options: ConnectionOptions | ConnectionSettings, events: ConnectionEvents) {
    this.settings = options instanceof ConnectionSettings ? options : new ConnectionSettings(options);
    this.events = events;
  }

  /**
   * Replaces the settings by others for the same role. Their `maxPayload` applies at once, the rest from the next
   * message on.
   */
  changeSettings(settings: ConnectionSettings): void {
    this.settings = settings;
    if (this.reader === null) return;
    const { maxPayload = defaultMaxPayload } = settings.options;
    this.reader.frames.maxPayload = maxPayload;
    this.reader.messages.maxPayload = maxPayload;
  }

  /** Set by the owner: if true, binary messages are delivered as lists of fragments, from the next message on. */
  set keepsFragments(value: boolean) {
    this.keeps = value;
    if (this.reader !== null) this.reader.messages.keepsFragments = value;
  }

  /** Writer of the outgoing batch. Call {@link releaseWriter} when it is empty. */
  get writer(): FrameWriter {
    if (this.writing === null) {
      this.writing = this.settings.takeWriter();
      this.writing.isBusy = this.isInReceive;
    }
    return this.writing;
  }

  /** Number of octets to be sent. */
  get outgoingLength(): number {
    return this.writing === null ? 0 : this.writing.byteLength;
  }

  /** Number of octets of messages to be sent, without framing and before compression. Encoded frames count as given. */
  get outgoingPayload(): number {
    return this.writing === null ? 0 : this.writing.payloadLength;
  }

  /**
   * Releases the memory of an empty {@link writer}. The caller guarantees that the octets taken from it are no longer
   * read.
   */
  releaseWriter(): void {
    const writer = this.writing;
    if (writer === null || writer.byteLength > 0) return;
    writer.release();
    this.writing = null;
    this.settings.giveWriter(writer);
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** True if messages may be sent: no close frame was sent or received, and the connection has not failed. */
  get isOpen(): boolean {
    return this.#state === 'open';
  }

  /**
   * True if received octets are processed. False after the peer's close frame, a failure or the end (§5.5.1, §7.1.7).
   */
  get isReceiving(): boolean {
    return this.#state === 'open' || this.#state === 'closeSent';
  }

  /** Number of payload octets that the frames received so far of a fragmented message announce; 0 between two messages. */
  get incomingLength(): number {
    return this.reader === null ? 0 : this.reader.frames.messageLength;
  }

  /** Number of octets of the last chunk that were consumed, also if a callback threw. */
  get offset(): number {
    return this.reader === null ? this.taken : this.reader.frames.offset;
  }

  /**
   * Processes received octets from `start` on. They then belong to the connection: payloads are unmasked in place, and
   * messages may be views of them.
   * @param maxFrames Number of frames after which {@link ConnectionEvents.moreFrames} is called. Positive. Default: all.
   * @returns The offset behind the consumed octets: the end, unless {@link isSuspended} or {@link isExhausted} was set.
   * @throws Error if called inside a callback of the same connection; and any error that a callback throws.
   */
  receive(chunk: Uint8Array, start = 0, maxFrames?: number): number {
    if (this.isInReceive)
      throw new Error('receive() was called inside an event of the same connection: set isSuspended');
    if (!this.isReceiving) return chunk.length;
    const octets = Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    const reader = this.reader ?? this.#takeReader();
    reader.messages.inflatable = reader.messages.leavesInflating ? inflateBudget : Number.POSITIVE_INFINITY;
    this.isInReceive = true;
    try {
      let end = reader.frames.decode(octets, start, this, maxFrames);
      // Here and not in the loop of the decoder, which would be slower with a call in it.
      while (reader.frames.hasDecodedAll) {
        const more = this.events.moreFrames?.() ?? 0;
        if (more === 0) break;
        end = reader.frames.decode(octets, end, this, more);
      }
      return this.isReceiving ? end : chunk.length;
    } catch (error) {
      // An error thrown by a callback belongs to the application, even a ProtocolError that came from elsewhere.
      if (this.isInEvent || !isPeerError(error)) throw error;
      this.fail(error);
      this.events.failure(error);
      return chunk.length;
    } finally {
      this.isInReceive = false;
      this.isInEvent = false;
      this.#giveReader(reader);
    }
  }

  #takeReader(): Reader {
    const reader = this.settings.takeReader();
    reader.messages.sink = this;
    reader.messages.keepsFragments = this.keeps;
    if (this.settings.deflate !== null) {
      reader.messages.inflater = this.#inflater();
      reader.messages.leavesInflating = this.events.inflate !== undefined;
    }
    this.reader = reader;
    return reader;
  }

  /** Returns the decoders between two messages, when they hold no state and may serve any connection. */
  #giveReader(reader: Reader): void {
    this.taken = reader.frames.offset;
    this.isExhausted = reader.messages.isExhausted || reader.frames.hasDecodedAll;
    if (this.#state === 'failed') {
      this.reader = null;
    } else if (reader.messages.isBetweenMessages && reader.frames.isBetweenMessages) {
      this.reader = null;
      this.settings.giveReader(reader);
    }
  }

  /** Handles the end of the stream: the peer sends no more. */
  receiveEnd(): void {
    this.#state = nextState(this.#state, 'ended');
    this.#discard();
    this.deflater?.close();
    this.inflater?.close();
  }

  /**
   * Sends a message, or with `fin` false a fragment of one (§5.4, §6.1). Text may be given as UTF-8 octets, which are
   * not checked. A list of octets is joined, so that the data of {@link ConnectionEvents.message} can be sent
   * unchanged. A payload of more than 8 KiB is not copied unless it is masked: do not change it until it is sent.
   * @param masked Default: as the role requires (§5.1).
   * @param compresses True to compress if permessage-deflate was agreed and the message is long enough. Default true.
   *   For a fragmented message its first fragment decides.
   * @throws Error unless {@link isOpen}; zlib's errors if memory is exhausted.
   */
  send(
    data: string | Uint8Array | readonly Uint8Array[],
    isBinary: boolean = typeof data !== 'string',
    fin = true,
    masked?: boolean,
    compresses = true,
  ): void {
    this.#assertOpen();
    const whole = typeof data === 'string' || ArrayBuffer.isView(data) ? data : Buffer.concat(data);
    if (this.settings.deflate !== null && this.compresses(whole, compresses)) {
      const octets = typeof whole === 'string' ? Buffer.from(whole) : whole;
      requireTrueLength(octets);
      this.sendDeflated(this.#deflater().deflateFragment(octets, fin), octets, isBinary, fin, masked);
      return;
    }
    const { writer } = this;
    const length = writeMessage(writer, whole, isBinary, this.isFragmented, fin, masked);
    writer.payloadLength += length;
    this.#sent(fin, false);
  }

  /** True if {@link send} would compress this message. */
  compresses(data: string | Uint8Array, isWanted: boolean): boolean {
    const { deflate } = this.settings;
    if (deflate === null) return false;
    if (this.isFragmented) return this.isCompressed;
    // The number of UTF-8 octets is at least the number of UTF-16 code units.
    if (!isWanted || deflate.isWorthIt(data.length)) return isWanted;
    return typeof data === 'string' && deflate.isWorthIt(Buffer.byteLength(data));
  }

  /**
   * Sends a message or a fragment that is already compressed (§7.2.1 of RFC 7692). A whole message that did not get
   * shorter is sent uncompressed, unless context is taken over.
   * @param isElsewhere True if another deflater compressed it, with an empty window.
   * @throws Error unless {@link isOpen}.
   */
  sendDeflated(
    deflated: Uint8Array,
    octets: Uint8Array,
    isBinary: boolean,
    fin = true,
    masked?: boolean,
    isElsewhere = false,
  ): void {
    this.#assertOpen();
    const isFirst = !this.isFragmented;
    // Also before the first message, because the deflater's initial window does not match the peer's any more.
    if (isElsewhere) this.#deflater().skip();
    // Without context takeover no later message refers to this one, so the uncompressed form may be sent if it is not
    // longer.
    if (isFirst && fin && deflated.length >= octets.length && !this.settings.deflate!.takesContextOver) {
      this.writer.write(isBinary ? Opcode.binary : Opcode.text, octets, true, false, masked);
    } else {
      const opcode = isFirst ? (isBinary ? Opcode.binary : Opcode.text) : Opcode.continuation;
      this.writer.write(opcode, deflated, fin, isFirst, masked);
    }
    this.writer.payloadLength += octets.length;
    this.#sent(fin, true);
  }

  /**
   * Sends encoded frames unchanged: whole messages, encoded once for many connections (server only).
   * @param payload Number of octets that count as {@link outgoingPayload}. Default: all.
   */
  sendEncoded(frames: Uint8Array, payload: number = frames.length): void {
    this.#assertOpen();
    this.demandUnfragmented();
    this.#writeEncoded(frames, payload);
  }

  /** @throws Error between the fragments of a message that is being sent. */
  demandUnfragmented(): void {
    if (this.isFragmented) throw new Error('A fragmented message is being sent (RFC 6455 §5.4)');
  }

  /**
   * Sends encoded frames unchanged, even between the fragments of a message. The caller is responsible for a valid
   * sequence.
   * @param payload As in {@link sendEncoded}.
   */
  sendRaw(frames: Uint8Array, payload: number = frames.length): void {
    this.#assertOpen();
    this.#writeEncoded(frames, payload);
  }

  /**
   * Sends a ping of at most 125 octets (§5.5.2).
   * @throws RangeError if the payload is longer; Error unless {@link isOpen}.
   */
  ping(payload: Uint8Array, masked?: boolean): void {
    this.#sendControl(Opcode.ping, payload, masked);
  }

  /**
   * Sends a pong of at most 125 octets (§5.5.3).
   * @throws the same errors as {@link ping}.
   */
  pong(payload: Uint8Array, masked?: boolean): void {
    this.#sendControl(Opcode.pong, payload, masked);
  }

  /** Sends the pong for the latest ping that arrived while the connection was congested. */
  sendOwedPong(): void {
    const payload = this.owedPong;
    this.owedPong = null;
    if (payload !== null && this.#state === 'open') this.#answerPing(payload);
  }

  /**
   * Sends our close frame unless it was sent before. It begins or completes the closing handshake (§7.1.2, §7.1.3).
   * @throws TypeError or RangeError if the code or the reason must not be sent.
   */
  close(code?: number, reason?: string | Uint8Array): void {
    const payload = formatClosePayload(code, reason);
    this.#sendClose(payload);
  }

  /**
   * Fails the connection (§7.1.7). Sends a close frame with the reason unless one was sent before. Received data is
   * then ignored.
   */
  fail(error: PeerError): void {
    if (!this.isReceiving && this.#state !== 'closeReceived') return;
    if (this.#state !== 'closeSent') this.writer.write(Opcode.close, formatClosePayload(error.closeCode));
    this.#state = nextState(this.#state, 'failed');
    this.#discard();
  }

  /** Discards outgoing frames that were not taken, because the stream is closed. */
  discardOutgoing(): void {
    this.writing?.discard();
    this.writing = null;
    this.owedPong = null;
  }

  /** Takes all octets to be sent, in one array. A convenience: a transport takes them from {@link writer} in chunks. */
  takeOutgoing(): Buffer {
    if (this.outgoingLength === 0) return Buffer.alloc(0);
    const octets = Buffer.concat(this.writer.take());
    this.releaseWriter();
    return octets;
  }

  // The frame decoder and the message decoder call the methods below.

  /** @internal */
  data(header: FrameHeader, octets: Uint8Array, start: number, end: number, seen: number): boolean {
    return this.reader!.messages.frame(header, octets, start, end, seen);
  }

  /** @internal */
  dataBegin(header: FrameHeader, available: number): void {
    this.reader!.messages.begin(header, available);
  }

  /** @internal */
  dataPart(octets: Uint8Array, start: number, end: number, key: number): void {
    this.reader!.messages.part(this.reader!.frames, octets, start, end, key);
  }

  /** @internal */
  dataEnd(header: FrameHeader): boolean {
    return this.reader!.messages.end(header);
  }

  /** Delivers a message that {@link ConnectionEvents.inflate} has inflated. */
  inflated(data: Buffer, isBinary: boolean): void {
    if (!this.isReceiving) return;
    this.#inflater().skip(data);
    this.events.message(this.keeps && isBinary ? [data] : data, isBinary);
  }

  /** @internal */
  inflate(octets: Buffer, isBinary: boolean): boolean {
    this.events.inflate!(octets, isBinary, this.#inflater());
    return false;
  }

  /** @internal */
  message(data: MessageData, isBinary: boolean): boolean {
    this.isInEvent = true;
    this.events.message(data, isBinary);
    this.isInEvent = false;
    return !this.isSuspended && this.isReceiving && !this.reader!.messages.isExhausted;
  }

  /** @internal */
  control(header: FrameHeader, octets: Uint8Array, start: number, end: number): boolean {
    // Exhaustive: without a case for one of the opcodes this method does not compile, because it would return nothing.
    switch (header.opcode as ControlOpcode) {
      case Opcode.ping: {
        // Copied, because the pong may be written after the chunk is reused, and the application may keep the event's
        // payload.
        const payload = Buffer.from(octets.subarray(start, end));
        if (this.settings.autoPong && this.#state === 'open') {
          if (this.isCongested) {
            this.owedPong = payload;
          } else {
            this.isInEvent = true;
            this.#answerPing(payload);
          }
        }
        this.isInEvent = true;
        this.events.ping(payload);
        this.isInEvent = false;
        return !this.isSuspended && this.isReceiving;
      }
      case Opcode.pong:
        this.isInEvent = true;
        this.events.pong(Buffer.from(octets.subarray(start, end)));
        this.isInEvent = false;
        return !this.isSuspended && this.isReceiving;
      case Opcode.close: {
        const { code, reason } = parseClosePayload(octets, start, end, this.settings.validates);
        this.#state = nextState(this.#state, 'closeReceived');
        this.#discard();
        if (!this.holdsClose && this.events.answersClose?.() !== true) this.echoClose(code, reason);
        this.isInEvent = true;
        this.events.closeReceived(code, reason);
        this.isInEvent = false;
        return false;
      }
    }
  }

  /** Answers the peer's close frame with the same code and reason, unless our close frame was sent (§5.5.1). */
  echoClose(code: number, reason: Buffer): void {
    if (code === CloseCode.noStatusReceived) this.close();
    // A reason that was not checked on arrival must not be rejected here. Otherwise the peer could make this method
    // throw.
    else this.#sendClose(formatClosePayload(code, reason, this.settings.validates));
  }

  /** Updates the state after a message or a fragment was written. */
  #sent(fin: boolean, isCompressed: boolean): void {
    if (!this.isFragmented) this.isCompressed = isCompressed;
    this.isFragmented = !fin;
  }

  #deflater(): MessageDeflater {
    this.deflater ??= this.settings.deflate!.deflater();
    return this.deflater;
  }

  #inflater(): MessageInflater {
    this.inflater ??= this.settings.deflate!.inflater();
    return this.inflater;
  }

  /** Discards an incomplete message that will not be finished. */
  #discard(): void {
    this.reader?.messages.discard();
  }

  #writeEncoded(frames: Uint8Array, payload: number): void {
    const { writer } = this;
    writer.writeEncoded(frames);
    writer.payloadLength += payload;
  }

  #answerPing(payload: Buffer): void {
    if (this.events.answerPing?.(payload) !== true) this.writer.write(Opcode.pong, payload);
  }

  #sendClose(payload: Buffer): void {
    if (this.#state !== 'open' && this.#state !== 'closeReceived') return;
    this.writer.write(Opcode.close, payload);
    this.#state = nextState(this.#state, 'closeSent');
  }

  #sendControl(opcode: Opcode, payload: Uint8Array, masked?: boolean): void {
    if (payload.length > 125) {
      throw new RangeError('The data size must not be greater than 125 bytes');
    }
    this.#assertOpen();
    this.writer.write(opcode, payload, true, false, masked);
  }

  #assertOpen(): void {
    if (this.#state === 'open') return;
    // §5.5.1: an endpoint may delay its close frame until the message being sent is complete.
    if (this.#state === 'closeReceived' && (this.holdsClose || this.events.answersClose?.() === true)) return;
    throw new Error(`Nothing can be sent in state "${this.#state}": the connection is not open`);
  }
}
