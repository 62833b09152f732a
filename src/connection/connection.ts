import { CloseCode } from '../frame/close-code.ts';
import type { FrameHeader } from '../frame/frame.ts';
import { defaultMaxPayload, type FrameSink } from '../frame/frame-decoder.ts';
import type { FrameWriter } from '../frame/frame-writer.ts';
import { Opcode } from '../frame/opcode.ts';
import { ProtocolError } from '../frame/protocol-error.ts';
import type { MessageData, MessageSink } from '../message/message-decoder.ts';
import { writeMessage } from '../message/write-message.ts';
import { formatClosePayload, parseClosePayload } from './close-payload.ts';
import { type ConnectionOptions, ConnectionSettings, type Reader } from './connection-settings.ts';
import { type ConnectionState, nextState } from './connection-state.ts';

/**
 * What a {@link Connection} tells. Each is called inside {@link Connection.receive}, in the order of the wire. What a method
 * throws leaves `receive` as it is, and the connection stays sound: what was not taken can be given again.
 */
export interface ConnectionEvents {
  /** A whole message. Its octets may lie in the chunk that was given to `receive`. */
  message(data: MessageData, isBinary: boolean): void;
  /** A ping; its pong has been written unless `autoPong` is off. */
  ping(payload: Buffer): void;
  pong(payload: Buffer): void;
  /** The peer's close frame. Code 1005 stands for none (§7.1.5). Ours has been written unless `holdsClose`. */
  closeReceived(code: number, reason: Buffer): void;
  /** The peer broke a rule, and the connection was failed (§7.1.7): the close frame that says so has been written. */
  failure(error: ProtocolError): void;
}

/**
 * A WebSocket connection whose opening handshake is done, as a value (§5–7): octets in, events and octets out, no socket, no timer.
 *
 * Give {@link receive} what arrives, and write what {@link takeOutgoing} then gives. Each end of a connection is one of these:
 *
 * ```ts
 * const server = new Connection({ role: 'server' }, { message: (data) => server.send(data, true), ... });
 * server.receive(octetsFromTheClient);
 * const octetsToTheClient = server.takeOutgoing();
 * ```
 */
export class Connection implements FrameSink, MessageSink {
  /** Set by the owner: stop behind the current message. {@link receive} then returns before the end of its chunk. */
  isSuspended = false;
  /** Set by the owner, who still has to send what the application sent before: our close frame is not echoed by itself. */
  holdsClose = false;
  /** Set by the owner while the peer does not read: only the latest ping is answered, by {@link sendOwedPong} (§5.5.3). */
  isCongested = false;

  /** Its options; see {@link changeSettings}. */
  settings: ConnectionSettings;
  private readonly events: ConnectionEvents;
  /** The decoders, while something is half received. */
  private reader: Reader | null = null;
  /** What is to be sent; null if nothing is. */
  private writing: FrameWriter | null = null;
  private keeps = false;
  private isFragmented = false;
  private owedPong: Buffer | null = null;
  private taken = 0;
  /** Whether {@link receive} runs, and whether it is inside of an event. */
  private isInReceive = false;
  private isInEvent = false;
  #state: ConnectionState = 'open';

  /**
   * @param options Or {@link ConnectionSettings} made of them, for many connections that are alike.
   * @throws RangeError for a limit that is none.
   */
  constructor(options: ConnectionOptions | ConnectionSettings, events: ConnectionEvents) {
    this.settings = options instanceof ConnectionSettings ? options : new ConnectionSettings(options);
    this.events = events;
  }

  /** Puts other settings of the same role in the place of its own: their `maxPayload` holds at once, the rest from the next message on. */
  changeSettings(settings: ConnectionSettings): void {
    this.settings = settings;
    if (this.reader !== null) this.reader.frames.maxPayload = settings.options.maxPayload ?? defaultMaxPayload;
  }

  /** Set by the owner: binary messages are delivered as lists of their fragments, from the one on that begins next. */
  set keepsFragments(value: boolean) {
    this.keeps = value;
    if (this.reader !== null) this.reader.messages.keepsFragments = value;
  }

  /** What is to be sent: the outgoing batch. Give it back with {@link releaseWriter} when it is empty. */
  get writer(): FrameWriter {
    if (this.writing === null) {
      this.writing = this.settings.takeWriter();
      this.writing.isBusy = this.isInReceive;
    }
    return this.writing;
  }

  /** Octets that are to be sent. */
  get outgoingLength(): number {
    return this.writing === null ? 0 : this.writing.byteLength;
  }

  /** Nobody reads the octets any more that were taken from {@link writer}: its memory may be used for others. */
  releaseWriter(): void {
    const writer = this.writing;
    if (writer === null || writer.byteLength > 0) return;
    writer.release();
    this.writing = null;
    this.settings.giveWriter(writer);
  }

  /** Where the closing handshake stands. */
  get state(): ConnectionState {
    return this.#state;
  }

  /** Whether messages may be sent: no close frame has gone out or come in, and nothing failed. */
  get isOpen(): boolean {
    return this.#state === 'open';
  }

  /** Whether what the peer sends is still looked at: it is not after its close frame, a failure, or the end (§5.5.1, §7.1.7). */
  get isReceiving(): boolean {
    return this.#state === 'open' || this.#state === 'closeSent';
  }

  /** How far the last chunk was taken, also if an event threw. */
  get offset(): number {
    return this.reader === null ? this.taken : this.reader.frames.offset;
  }

  /**
   * Takes octets that arrived, from `start` on. They belong to the connection then: payloads are unmasked in place, and messages
   * may be views of them.
   * @returns The offset behind what was taken: the end, unless {@link isSuspended} was set.
   * @throws Error if it is called in an event of the same connection; and what an event throws.
   */
  receive(chunk: Uint8Array, start = 0): number {
    if (this.isInReceive)
      throw new Error('receive() was called inside an event of the same connection: set isSuspended');
    if (!this.isReceiving) return chunk.length;
    const octets = Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    const reader = this.reader ?? this.#takeReader();
    this.isInReceive = true;
    try {
      const end = reader.frames.decode(octets, start, this);
      return this.isReceiving ? end : chunk.length;
    } catch (error) {
      // What an event throws is the application's, also a ProtocolError that it got from somewhere else.
      if (this.isInEvent || !(error instanceof ProtocolError)) throw error;
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
    this.reader = reader;
    return reader;
  }

  /** Between two messages the decoders know nothing, and may be anybody's. */
  #giveReader(reader: Reader): void {
    this.taken = reader.frames.offset;
    if (this.#state === 'failed') {
      this.reader = null;
    } else if (reader.messages.isBetweenMessages && reader.frames.isBetweenMessages) {
      this.reader = null;
      this.settings.giveReader(reader);
    }
  }

  /** The peer will send no more: the stream is at its end. */
  receiveEnd(): void {
    this.#state = nextState(this.#state, 'ended');
    this.#discard();
  }

  /**
   * Sends a message, or with `fin` false a fragment of one (§5.4, §6.1). Text may be given as UTF-8 octets, which are not checked;
   * a list of octets is joined, so that what {@link ConnectionEvents.message} delivers can be sent as it is.
   * A payload of more than 8 KiB is not copied unless it is masked: leave it as it is until it is sent.
   * @param masked Default: as the role demands (§5.1).
   * @throws Error unless {@link isOpen}.
   */
  send(
    data: string | Uint8Array | readonly Uint8Array[],
    isBinary: boolean = typeof data !== 'string',
    fin = true,
    masked?: boolean,
  ): void {
    this.#demandOpen();
    const whole = typeof data === 'string' || data instanceof Uint8Array ? data : Buffer.concat(data);
    writeMessage(this.writer, whole, isBinary, this.isFragmented, fin, masked);
    this.isFragmented = !fin;
  }

  /** Sends frames that were encoded before, as they are: whole messages, encoded once for many (server only). */
  sendEncoded(frames: Uint8Array): void {
    this.#demandOpen();
    if (this.isFragmented) throw new Error('A fragmented message is being sent (RFC 6455 §5.4)');
    this.writer.writeEncoded(frames);
  }

  /** Sends octets that are frames, as they are, also between the fragments of a message: whoever gives them knows what is being sent. */
  sendRaw(frames: Uint8Array): void {
    this.#demandOpen();
    this.writer.writeEncoded(frames);
  }

  /** Sends a ping of at most 125 octets (§5.5.2). @throws RangeError if it is longer; Error unless {@link isOpen}. */
  ping(payload: Uint8Array, masked?: boolean): void {
    this.#sendControl(Opcode.ping, payload, masked);
  }

  /** Sends a pong of at most 125 octets (§5.5.3). @throws as {@link ping}. */
  pong(payload: Uint8Array, masked?: boolean): void {
    this.#sendControl(Opcode.pong, payload, masked);
  }

  /** Sends the pong that was owed while the connection was congested: that of the latest ping. */
  sendOwedPong(): void {
    const payload = this.owedPong;
    this.owedPong = null;
    if (payload !== null && this.#state === 'open') this.writer.write(Opcode.pong, payload);
  }

  /**
   * Sends our close frame, if it was not sent: it begins the closing handshake, or completes it (§7.1.2, §7.1.3).
   * @throws TypeError, RangeError for a code or reason that may not be sent.
   */
  close(code?: number, reason?: string | Uint8Array): void {
    const payload = formatClosePayload(code, reason);
    this.#sendClose(payload);
  }

  /** Fails the connection (§7.1.7): a close frame says why, unless one was sent before; nothing is read any more. */
  fail(error: ProtocolError): void {
    if (!this.isReceiving && this.#state !== 'closeReceived') return;
    if (this.#state !== 'closeSent') this.writer.write(Opcode.close, formatClosePayload(error.closeCode));
    this.#state = nextState(this.#state, 'failed');
    this.#discard();
  }

  /** Forgets what was to be sent and was not taken: the stream has gone. */
  discardOutgoing(): void {
    this.writing?.discard();
    this.writing = null;
    this.owedPong = null;
  }

  /** All octets to be sent, in one array. A convenience: a transport takes them from {@link writer} piece by piece. */
  takeOutgoing(): Buffer {
    if (this.outgoingLength === 0) return Buffer.alloc(0);
    const octets = Buffer.concat(this.writer.take());
    this.releaseWriter();
    return octets;
  }

  // From here on: what the frame decoder and the message decoder call.

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

  /** @internal */
  message(data: MessageData, isBinary: boolean): boolean {
    this.isInEvent = true;
    this.events.message(data, isBinary);
    this.isInEvent = false;
    return !this.isSuspended && this.isReceiving;
  }

  /** @internal */
  control(header: FrameHeader, octets: Uint8Array, start: number, end: number): boolean {
    switch (header.opcode) {
      case Opcode.ping: {
        // A copy: the pong may be written later than the chunk lives, and the application may keep the event's payload.
        const payload = Buffer.from(octets.subarray(start, end));
        if (this.settings.autoPong && this.#state === 'open') {
          if (this.isCongested) this.owedPong = payload;
          else this.writer.write(Opcode.pong, payload);
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
      default: {
        const { code, reason } = parseClosePayload(octets, start, end, this.settings.validates);
        this.#state = nextState(this.#state, 'closeReceived');
        this.#discard();
        if (!this.holdsClose) this.echoClose(code, reason);
        this.isInEvent = true;
        this.events.closeReceived(code, reason);
        this.isInEvent = false;
        return false;
      }
    }
  }

  /** Answers the peer's close frame with ours, unless it was sent: the same code and reason (§5.5.1). */
  echoClose(code: number, reason: Buffer): void {
    if (code === CloseCode.noStatusReceived) this.close();
    // What was not checked coming in must not be refused going out: the peer would choose what we throw.
    else this.#sendClose(formatClosePayload(code, reason, this.settings.validates));
  }

  /** A message that was begun will not be finished. */
  #discard(): void {
    this.reader?.messages.discard();
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
    this.#demandOpen();
    this.writer.write(opcode, payload, true, false, masked);
  }

  #demandOpen(): void {
    if (this.#state === 'open') return;
    // §5.5.1: an endpoint may delay its close frame until what it was sending is sent.
    if (this.#state === 'closeReceived' && this.holdsClose) return;
    throw new Error(`Nothing can be sent in state "${this.#state}": the connection is not open`);
  }
}
