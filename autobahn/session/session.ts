import { isUtf8 } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { Patience } from '../patience.ts';
import { type Chop, chop } from '../wire/chops.ts';
import { type CloseStatus, checkClose, encodeClose, readClose } from '../wire/close-payload.ts';
import { Deflater, Inflater } from '../wire/deflate.ts';
import type { DeflateAgreement } from '../wire/deflate-agreement.ts';
import { encodeFrame } from '../wire/encode-frame.ts';
import { type IncomingFrame, isControl, type OutgoingFrame, opcodes } from '../wire/frame.ts';
import { FrameReader } from '../wire/frame-reader.ts';
import { Gather } from '../wire/gather.ts';
import { Violation } from '../wire/violation.ts';
import { isPrefix, type ReceivedEvent } from './received-event.ts';
import type { Recorder } from './recorder.ts';

export interface SessionOptions {
  readonly role: 'client' | 'server';
  readonly deflate: DeflateAgreement | null;
  /** Maximum length of a message of the peer in octets. */
  readonly maxMessage: number;
  /** Maximum time for an answer of the peer in milliseconds; more on a busy machine ({@link Patience}). */
  readonly patience: number;
  readonly recorder: Recorder;
}

/** Outcome of a case: the whole input of the assessment. */
export interface Outcome {
  readonly received: readonly ReceivedEvent[];
  readonly role: 'client' | 'server';
  readonly closedByMe: boolean;
  readonly failedByMe: boolean;
  readonly droppedByMe: boolean;
  readonly wasClean: boolean;
  readonly wasCloseHandshakeTimeout: boolean;
  readonly wasServerConnectionDropTimeout: boolean;
  readonly localClose: CloseStatus | null;
  readonly remoteClose: CloseStatus | null;
  /** Protocol violation of the peer. */
  readonly violation: string | null;
  /** Reason why we gave up: the peer took too long, did not read, and so on. */
  readonly abandoned: string | null;
}

/** Maximum number of events kept, in case a peer sends unexpected ones. */
const maxEvents = 100;

/** Number of octets written before checking that the peer reads. */
const writeSize = 256 * 1024;

/** Milliseconds without any data after which a transfer counts as stalled. */
const stalledAfter = 10_000;

/**
 * Resolves in the next turn of the event loop, so that a written piece gets its own packet, and received data is read.
 */
const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve));

/**
 * Open connection to the peer under test, in either role. A case sends and waits with it; received data is recorded.
 * Never throws because of the peer: violations are part of the outcome.
 */
export class Session {
  readonly role: 'client' | 'server';
  readonly deflate: DeflateAgreement | null;
  readonly received: ReceivedEvent[] = [];
  readonly #socket: Socket;
  readonly #options: SessionOptions;
  readonly #recorder: Recorder;
  readonly #reader: FrameReader;
  readonly #deflater: Deflater | null;
  readonly #inflater: Inflater | null;
  readonly #fragments = new Gather();
  #messageOpcode = 0;
  #isCompressed = false;
  #masks = Buffer.alloc(0);
  #masksUsed = 0;
  readonly #watchers = new Set<() => void>();
  /** Waits that restart whenever data is received or written. */
  readonly #waits = new Set<Patience>();

  #localClose: CloseStatus | null = null;
  #remoteClose: CloseStatus | null = null;
  #closedByMe = false;
  #failedByMe = false;
  #droppedByMe = false;
  #wasCloseHandshakeTimeout = false;
  #wasServerConnectionDropTimeout = false;
  #violation: string | null = null;
  #abandoned: string | null = null;
  #peerEnded = false;
  #isGone = false;
  #onMessage: ((payload: Buffer, isBinary: boolean) => void) | null = null;

  constructor(socket: Socket, options: SessionOptions) {
    const { role, deflate, maxMessage, recorder } = options;
    this.role = role;
    this.deflate = deflate;
    this.#socket = socket;
    this.#options = options;
    this.#recorder = recorder;
    this.#reader = new FrameReader({ masked: role === 'server', deflate: deflate !== null, maxPayload: maxMessage });
    const server = deflate && {
      windowBits: deflate.serverMaxWindowBits,
      noContextTakeover: deflate.serverNoContextTakeover,
    };
    const client = deflate && {
      windowBits: deflate.clientMaxWindowBits,
      noContextTakeover: deflate.clientNoContextTakeover,
    };
    const [ours, theirs] = role === 'client' ? [client, server] : [server, client];
    this.#deflater = ours && new Deflater(ours);
    this.#inflater = theirs && new Inflater(theirs, maxMessage);
    socket.setNoDelay(true);
    socket.on('data', (octets: Buffer) => this.#read(octets));
    socket.on('end', () => {
      this.#peerEnded = true;
      recorder.remark('tcp', 'in', 'the peer ended the TCP connection');
      this.#changed();
    });
    socket.on('error', (error) => {
      recorder.remark('tcp', 'in', `the TCP connection broke: ${error.message}`);
    });
    socket.on('drain', () => this.#changed());
    socket.on('close', () => {
      this.#isGone = true;
      this.#changed();
    });
    if (socket.destroyed) this.#isGone = true;
  }

  /** Maximum time for an answer of the peer in milliseconds. */
  get patience(): number {
    return this.#options.patience;
  }

  /** True if the peer may still send and receive: it has not closed, disconnected or broken the protocol. */
  get isOpen(): boolean {
    return !this.#isOver && this.#remoteClose === null;
  }

  get localClose(): CloseStatus | null {
    return this.#localClose;
  }

  get outcome(): Outcome {
    return {
      received: this.received,
      role: this.role,
      closedByMe: this.#closedByMe,
      failedByMe: this.#failedByMe,
      droppedByMe: this.#droppedByMe,
      wasClean: this.#localClose !== null && this.#remoteClose !== null && this.#violation === null,
      wasCloseHandshakeTimeout: this.#wasCloseHandshakeTimeout,
      wasServerConnectionDropTimeout: this.#wasServerConnectionDropTimeout,
      localClose: this.#localClose,
      remoteClose: this.#remoteClose,
      violation: this.#violation,
      abandoned: this.#abandoned,
    };
  }

  get #isOver(): boolean {
    return this.#isGone || this.#peerEnded || this.#violation !== null || this.#abandoned !== null;
  }

  /** Starts reading, first the data that came behind the head of the handshake. */
  start(rest: Buffer): void {
    if (rest.length > 0) this.#read(rest);
    this.#socket.resume();
  }

  /**
   * Sends frames, split as given by `how`. Ends early if the peer closes. Frames of one call that are sent whole leave
   * in one write if they fit.
   */
  async send(frames: OutgoingFrame | readonly OutgoingFrame[], how: Chop = 'whole'): Promise<void> {
    const list = Array.isArray(frames) ? (frames as readonly OutgoingFrame[]) : [frames as OutgoingFrame];
    const chopSize = typeof how === 'number' ? how : null;
    const encoded = list.map((frame) => this.#encode(frame, chopSize, how !== 'whole'));
    const isAnswer = this.#remoteClose !== null && list.every(({ opcode }) => opcode === opcodes.close);
    for (const piece of chop(encoded, how)) {
      if (!(await this.#write(piece, how !== 'whole', isAnswer))) return;
      if (how !== 'whole') await nextTurn();
    }
  }

  /**
   * Sends one frame in parts. Its payload is cut at `ends` (ascending); the header is in the first part. Calls
   * `between` after each part but the last, with the index of the part.
   */
  async sendInParts(
    frame: OutgoingFrame,
    ends: readonly number[],
    between: (part: number) => Promise<void>,
  ): Promise<void> {
    const octets = this.#encode(frame, null, true);
    const header = octets.length - frame.payload.length;
    let offset = 0;
    for (const [part, end] of [...ends, frame.payload.length].entries()) {
      if (!(await this.#write(octets.subarray(offset, header + end), true, false))) return;
      offset = header + end;
      if (part < ends.length) await between(part);
    }
  }

  /** Sends a message, compressed if agreed, in frames of at most `frameSize` octets; 0 for one frame. */
  async sendMessage(message: Buffer, isBinary: boolean, frameSize = 0, how: Chop = 'whole'): Promise<void> {
    this.#recorder.message('out', message.length);
    const payload = this.#deflater === null ? message : this.#deflater.deflate(message);
    await this.send(fragment(payload, isBinary, frameSize, this.#deflater === null ? 0 : 4), how);
  }

  /** Starts the closing handshake, or answers the peer's close frame. A second call has no effect. */
  async close(code: number | null, reason: string | Buffer = ''): Promise<void> {
    if (this.#localClose === null && !this.#isOver) await this.sendClose(encodeClose(code, reason));
  }

  /** Sends a close frame with any payload. */
  async sendClose(payload: Buffer, rsv = 0): Promise<void> {
    this.#noteClose(payload);
    await this.send({ opcode: opcodes.close, payload, rsv });
  }

  #noteClose(payload: Buffer): void {
    if (this.#localClose !== null) return;
    this.#localClose = readClose(payload);
    if (this.#remoteClose === null) this.#closedByMe = true;
  }

  /** Sends frames including close frames, like `send`. */
  async sendWithClose(frames: readonly OutgoingFrame[], how: Chop = 'whole'): Promise<void> {
    for (const { opcode, payload } of frames) if (opcode === opcodes.close) this.#noteClose(payload);
    await this.send(frames, how);
  }

  /**
   * Waits until the condition holds, at most `milliseconds` ({@link Patience}): from now on, or with `sinceActivity`
   * since the last data was received or written. Returns whether the condition holds. The condition is checked after
   * each change.
   */
  until(condition: () => boolean, milliseconds: number, { sinceActivity = false } = {}): Promise<boolean> {
    if (condition()) return Promise.resolve(true);
    return new Promise((resolve) => {
      const finish = (holds: boolean) => {
        patience.stop();
        this.#watchers.delete(watcher);
        this.#waits.delete(patience);
        resolve(holds);
      };
      const watcher = () => {
        if (condition()) finish(true);
      };
      const patience = new Patience(milliseconds, () => finish(condition()));
      if (sinceActivity) this.#waits.add(patience);
      this.#watchers.add(watcher);
    });
  }

  /** Restarts waits, because data was received or written. */
  #isActive(): void {
    for (const patience of this.#waits) patience.restart();
  }

  /**
   * Waits until `count` events have arrived, as long as the received events are a prefix of one of the lists. Returns
   * true if they have.
   */
  async heard(count: number, lists: readonly (readonly ReceivedEvent[])[]): Promise<boolean> {
    const isDone = () =>
      this.received.length >= count || !this.isOpen || !lists.some((list) => isPrefix(this.received, list));
    await this.until(isDone, this.patience, { sinceActivity: true });
    return this.received.length >= count;
  }

  /** Waits, to see whether the peer fails the connection. If not, adds the event `timeout`. */
  async pause(name: string, milliseconds: number): Promise<void> {
    this.#recorder.time('CT', milliseconds, `wait ${name}: ${milliseconds} ms for the peer to fail the connection`);
    if (await this.until(() => !this.isOpen, milliseconds)) return;
    this.#recorder.time('CTE', milliseconds, `wait ${name} is over`);
    this.received.push({ type: 'timeout', name });
  }

  /** From now on passes messages to the function and records no events for them. Null ends that. */
  takeMessages(onMessage: ((payload: Buffer, isBinary: boolean) => void) | null): void {
    this.#onMessage = onMessage;
  }

  /** Adds an event that the case has determined itself. */
  note(event: ReceivedEvent): void {
    this.received.push(event);
  }

  /**
   * Waits for the peer to fail the connection. Gives up if it does not, or if it sends events that are in none of the
   * lists.
   */
  async awaitFailure(lists: readonly (readonly ReceivedEvent[])[]): Promise<void> {
    const isDone = () => !this.isOpen || !lists.some((list) => isPrefix(this.received, list));
    await this.until(isDone, this.patience);
    if (this.isOpen) {
      this.#closedByMe = true;
      this.abandon('the peer did not fail the connection');
    }
    await this.awaitEnd();
  }

  /**
   * Waits for the end of the connection: for the peer's close frame, then for the end of TCP, which the server
   * initiates.
   */
  async awaitEnd(): Promise<void> {
    const { patience } = this;
    if (!(await this.until(() => this.#isOver || this.#remoteClose !== null, patience))) {
      this.#wasCloseHandshakeTimeout = true;
      this.abandon('the peer did not answer our close frame');
    } else if (this.role === 'client' && !this.#isOver) {
      if (!(await this.until(() => this.#isOver, patience))) {
        this.#wasServerConnectionDropTimeout = true;
        this.#drop('the server did not end the TCP connection');
      }
    }
    if (!this.#socket.destroyed) {
      this.#droppedByMe ||= !this.#peerEnded;
      this.#socket.end();
      // At most 1 s, because a peer that keeps a finished connection open need not be waited for.
      if (!(await this.until(() => this.#isGone, Math.min(patience, 1000)))) this.#socket.destroy();
    }
    await this.until(() => this.#isGone, 1000);
  }

  /** Gives up, and records the reason. */
  abandon(reason: string): void {
    this.#abandoned ??= reason;
    this.#failedByMe = true;
    this.#drop(reason);
  }

  #drop(reason: string): void {
    if (!this.#isGone && !this.#peerEnded) {
      this.#droppedByMe = true;
      this.#recorder.time('KLE', this.#recorder.elapsed, `we ended the TCP connection: ${reason}`);
    }
    this.#socket.destroy();
    this.#changed();
  }

  #encode(frame: OutgoingFrame, chopSize: number | null, sync: boolean): Buffer {
    const mask = this.role === 'client' ? this.#nextMask() : null;
    const { opcode, payload, fin = true, rsv = 0 } = frame;
    this.#recorder.frameTransmitted({ opcode, payload, fin, rsv, mask }, chopSize, sync);
    return encodeFrame(frame, mask);
  }

  #nextMask(): Buffer {
    // A call of randomBytes() for four octets costs more than the frame itself.
    if (this.#masksUsed === this.#masks.length) {
      this.#masks = randomBytes(4096);
      this.#masksUsed = 0;
    }
    this.#masksUsed += 4;
    return this.#masks.subarray(this.#masksUsed - 4, this.#masksUsed);
  }

  /**
   * Writes octets. With `isAnswer` also behind the peer's close frame, where only our own is allowed. Returns true if
   * all were written.
   */
  async #write(octets: Buffer, sync: boolean, isAnswer: boolean): Promise<boolean> {
    const isPointless = () => this.#isOver || (this.#remoteClose !== null && !isAnswer);
    for (let offset = 0; offset < octets.length; offset += writeSize) {
      if (isPointless()) return false;
      const piece = octets.subarray(offset, offset + writeSize);
      this.#recorder.transmitted(piece, sync);
      if (this.#socket.write(piece)) continue;
      const isTaken = () => isPointless() || !this.#socket.writableNeedDrain;
      if (!(await this.until(isTaken, Math.max(this.patience, stalledAfter), { sinceActivity: true }))) {
        this.abandon('the peer stopped reading');
        return false;
      }
      this.#isActive();
    }
    return true;
  }

  #changed(): void {
    for (const watcher of this.#watchers) watcher();
  }

  #read(octets: Buffer): void {
    this.#isActive();
    if (this.#violation !== null || this.#abandoned !== null) return;
    this.#recorder.received(octets);
    try {
      this.#reader.read(octets, (frame) => this.#frame(frame));
    } catch (error) {
      if (!(error instanceof Violation)) throw error;
      this.#fail(error);
    }
    this.#changed();
  }

  #fail(violation: Violation): void {
    this.#violation = violation.message;
    this.#failedByMe = true;
    this.#recorder.remark('note', null, `we fail the connection: ${violation.message}`);
    if (this.#localClose === null) {
      const payload = encodeClose(violation.closeCode);
      this.#noteClose(payload);
      const octets = this.#encode({ opcode: opcodes.close, payload }, null, false);
      this.#recorder.transmitted(octets, false);
      this.#socket.write(octets);
    }
  }

  #frame(frame: IncomingFrame): void {
    this.#recorder.frameReceived(frame);
    const { opcode, payload } = frame;
    if (isControl(opcode)) {
      if (opcode !== opcodes.close) this.#event({ type: opcode === opcodes.ping ? 'ping' : 'pong', payload });
      else if (this.#remoteClose === null) this.#closed(payload);
      return;
    }
    if (opcode !== opcodes.continuation) {
      this.#messageOpcode = opcode;
      this.#isCompressed = frame.rsv === 4;
    }
    const { maxMessage } = this.#options;
    if (this.#fragments.length + payload.length > maxMessage) {
      throw new Violation(`a message has more than the expected maximum of ${maxMessage} octets`, 1009);
    }
    if (!frame.fin) {
      this.#fragments.add(payload);
      return;
    }
    let message = payload;
    if (this.#fragments.length > 0) {
      this.#fragments.add(payload);
      message = this.#fragments.take();
    }
    if (this.#isCompressed) message = (this.#inflater as Inflater).inflate(message);
    const isBinary = this.#messageOpcode === opcodes.binary;
    if (!isBinary && !isUtf8(message)) throw new Violation('a text message is not UTF-8 (§8.1)', 1007);
    this.#recorder.message('in', message.length);
    if (this.#onMessage !== null) this.#onMessage(message, isBinary);
    else this.#event({ type: 'message', payload: message, isBinary });
  }

  #closed(payload: Buffer): void {
    this.#remoteClose = readClose(payload);
    checkClose(payload);
    if (this.#localClose === null) {
      const { code } = this.#remoteClose;
      void this.close(code);
    }
  }

  #event(event: ReceivedEvent): void {
    if (this.received.length < maxEvents) this.received.push(event);
  }
}

/** Returns the frames of a message; `rsv` applies to the first. */
export function fragment(payload: Buffer, isBinary: boolean, frameSize: number, rsv = 0): OutgoingFrame[] {
  const opcode = isBinary ? opcodes.binary : opcodes.text;
  if (frameSize === 0 || payload.length <= frameSize) return [{ opcode, payload, rsv }];
  const frames: OutgoingFrame[] = [];
  for (let offset = 0; offset < payload.length; offset += frameSize) {
    const isFirst = offset === 0;
    frames.push({
      opcode: isFirst ? opcode : opcodes.continuation,
      payload: payload.subarray(offset, offset + frameSize),
      fin: offset + frameSize >= payload.length,
      rsv: isFirst ? rsv : 0,
    });
  }
  return frames;
}
