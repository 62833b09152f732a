import type { MessageDeflater, MessageInflater } from '../extension/deflate-messages.ts';
import { InflateError } from '../extension/inflate-error.ts';
import { CloseCode } from '../frame/close-code.ts';
import type { FrameHeader } from '../frame/frame.ts';
import { defaultMaxPayload, type FrameSink } from '../frame/frame-decoder.ts';
import { requireTrueLength } from '../frame/frame-encoder.ts';
import type { FrameWriter } from '../frame/frame-writer.ts';
import { Opcode } from '../frame/opcode.ts';
import { ProtocolError } from '../frame/protocol-error.ts';
import type { MessageData, MessageSink } from '../message/message-decoder.ts';
import { writeMessage } from '../message/write-message.ts';
import { formatClosePayload, parseClosePayload } from './close-payload.ts';
import { type ConnectionOptions, ConnectionSettings, type Reader } from './connection-settings.ts';
import { type ConnectionState, nextState } from './connection-state.ts';

/** Inflate budget of one {@link Connection.receive}: 1 MiB, a few milliseconds. It holds only if the owner has `inflate`. */
const inflateBudget = 1_048_576;

/** The peer broke a rule of RFC 6455, or sent as compressed what is not (RFC 7692): both say with which code the connection is failed. */
export type PeerError = ProtocolError | InflateError;

function isPeerError(error: unknown): error is PeerError {
  return error instanceof ProtocolError || error instanceof InflateError;
}

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
  failure(error: PeerError): void;
  /**
   * A compressed message that would take long to inflate: it has more than 256 KiB, before or after. {@link Connection.receive} returns
   * behind it, and is not to be called before {@link Connection.inflated} was given what came of it, or {@link Connection.fail} the error.
   * With this method, `receive` also returns once it has inflated 1 MiB in small messages, so that other connections are served.
   * Without this method all is inflated at once, however long that takes.
   * @param inflater Has the options and, with context takeover, the window; see {@link MessageInflater.dictionary}.
   */
  inflate?(octets: Buffer, isBinary: boolean, inflater: MessageInflater): void;
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
  /** True if {@link receive} has stopped because its inflate budget was used up: other connections are to be served first. */
  isExhausted = false;

  /** Its options; see {@link changeSettings}. */
  settings: ConnectionSettings;
  private readonly events: ConnectionEvents;
  /** The decoders, while something is half received. */
  private reader: Reader | null = null;
  /** What is to be sent; null if nothing is. */
  private writing: FrameWriter | null = null;
  private keeps = false;
  private isFragmented = false;
  /** Whether the message whose fragments are being sent is compressed. */
  private isCompressed = false;
  /** Its own if context is taken over, else everybody's; from the first compressed message on. */
  private deflater: MessageDeflater | null = null;
  private inflater: MessageInflater | null = null;
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
    if (this.reader === null) return;
    const { maxPayload = defaultMaxPayload } = settings.options;
    this.reader.frames.maxPayload = maxPayload;
    this.reader.messages.maxPayload = maxPayload;
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
    reader.messages.inflatable = reader.messages.leavesInflating ? inflateBudget : Number.POSITIVE_INFINITY;
    this.isInReceive = true;
    try {
      const end = reader.frames.decode(octets, start, this);
      return this.isReceiving ? end : chunk.length;
    } catch (error) {
      // What an event throws is the application's, also a ProtocolError that it got from somewhere else.
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

  /** Between two messages the decoders know nothing, and may be anybody's. */
  #giveReader(reader: Reader): void {
    this.taken = reader.frames.offset;
    this.isExhausted = reader.messages.isExhausted;
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
    this.deflater?.close();
    this.inflater?.close();
  }

  /**
   * Sends a message, or with `fin` false a fragment of one (§5.4, §6.1). Text may be given as UTF-8 octets, which are not checked;
   * a list of octets is joined, so that what {@link ConnectionEvents.message} delivers can be sent as it is.
   * A payload of more than 8 KiB is not copied unless it is masked: leave it as it is until it is sent.
   * @param masked Default: as the role demands (§5.1).
   * @param compresses Whether it is compressed if permessage-deflate was agreed on and it is worth it. Default true; of a message in
   *   fragments the first one decides.
   * @throws Error unless {@link isOpen}; zlib's errors for want of memory.
   */
  send(
    data: string | Uint8Array | readonly Uint8Array[],
    isBinary: boolean = typeof data !== 'string',
    fin = true,
    masked?: boolean,
    compresses = true,
  ): void {
    this.#demandOpen();
    const whole = typeof data === 'string' || data instanceof Uint8Array ? data : Buffer.concat(data);
    if (this.settings.deflate !== null && this.compresses(whole, compresses)) {
      const octets = typeof whole === 'string' ? Buffer.from(whole) : whole;
      requireTrueLength(octets);
      this.sendDeflated(this.#deflater().deflateFragment(octets, fin), octets, isBinary, fin, masked);
      return;
    }
    writeMessage(this.writer, whole, isBinary, this.isFragmented, fin, masked);
    this.#sent(fin, false);
  }

  /** Whether {@link send} would compress this. */
  compresses(data: string | Uint8Array, isWanted: boolean): boolean {
    const { deflate } = this.settings;
    if (deflate === null) return false;
    if (this.isFragmented) return this.isCompressed;
    // A text has at least as many octets as characters.
    if (!isWanted || deflate.isWorthIt(data.length)) return isWanted;
    return typeof data === 'string' && deflate.isWorthIt(Buffer.byteLength(data));
  }

  /**
   * Sends a message, or a fragment, that was compressed already (§7.2.1 of RFC 7692), or as it was where that is shorter and its own to
   * decide.
   * @param isElsewhere Whether it was compressed by somebody else, with an empty window.
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
    this.#demandOpen();
    const isFirst = !this.isFragmented;
    // Also before its first message: the window in which that begins is no longer the one of the beginning.
    if (isElsewhere) this.#deflater().skip();
    // What does not get shorter is sent as it is, where no later message can refer to it.
    if (isFirst && fin && deflated.length >= octets.length && !this.settings.deflate!.takesContextOver) {
      this.writer.write(isBinary ? Opcode.binary : Opcode.text, octets, true, false, masked);
    } else {
      const opcode = isFirst ? (isBinary ? Opcode.binary : Opcode.text) : Opcode.continuation;
      this.writer.write(opcode, deflated, fin, isFirst, masked);
    }
    this.#sent(fin, true);
  }

  /** Sends frames that were encoded before, as they are: whole messages, encoded once for many (server only). */
  sendEncoded(frames: Uint8Array): void {
    this.#demandOpen();
    this.demandUnfragmented();
    this.writer.writeEncoded(frames);
  }

  /** @throws Error between the fragments of a message that is being sent. */
  demandUnfragmented(): void {
    if (this.isFragmented) throw new Error('A fragmented message is being sent (RFC 6455 §5.4)');
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
  fail(error: PeerError): void {
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

  /** What came of a message that {@link ConnectionEvents.inflate} was given: it is delivered. */
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

  /** A message, or a fragment of one, has been written. */
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
