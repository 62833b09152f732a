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
  /** Octets of payload that a message of the peer may have. */
  readonly maxMessage: number;
  /** Milliseconds that the peer has for an answer; more on a busy machine ({@link Patience}). */
  readonly patience: number;
  readonly recorder: Recorder;
}

/** What a case ends with: all that the assessment looks at. */
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
  /** How the peer broke the protocol. */
  readonly violation: string | null;
  /** Why we gave up: the peer took longer than it may, did not read, and so on. */
  readonly abandoned: string | null;
}

/** Events that are kept when a peer sends what nobody asked for. */
const maxEvents = 100;

/** Octets that are written before we look whether the peer reads. */
const writeSize = 256 * 1024;

/** Milliseconds without any octet after which a transfer that was going on has stopped. */
const stalledAfter = 10_000;

/** In which a piece that is written gets into a packet of its own, and what came meanwhile is read. */
const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve));

/**
 * An open connection to the peer under test, in either role: the case sends with it and waits with it; what comes is written down.
 * It never throws because of the peer: what the peer does wrong is in the outcome.
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
  /** Waits that begin anew whenever octets come, or are taken. */
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

  /** Milliseconds that the peer has for an answer. */
  get patience(): number {
    return this.#options.patience;
  }

  /** Whether the peer can be expected to send, or to take, more: it has neither closed nor gone, nor broken the protocol. */
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

  /** Begins to read: first the octets that came behind the head of the handshake. */
  start(rest: Buffer): void {
    if (rest.length > 0) this.#read(rest);
    this.#socket.resume();
  }

  /**
   * Sends frames, cut as said; ends early when the peer closes. Frames of one call that are sent whole leave in one write as far as
   * they fit.
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
   * Sends one frame in parts, its payload cut at `ends` (ascending; the header goes with the first part), with what `between` does after
   * each part but the last, which it is given the index of.
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

  /** Sends a message, compressed where that was agreed upon, in frames of at most `frameSize` octets; 0 for one frame. */
  async sendMessage(message: Buffer, isBinary: boolean, frameSize = 0, how: Chop = 'whole'): Promise<void> {
    this.#recorder.message('out', message.length);
    const payload = this.#deflater === null ? message : this.#deflater.deflate(message);
    await this.send(fragment(payload, isBinary, frameSize, this.#deflater === null ? 0 : 4), how);
  }

  /** Begins the closing handshake, or answers the peer's close frame; a second time it does nothing. */
  async close(code: number | null, reason: string | Buffer = ''): Promise<void> {
    if (this.#localClose === null && !this.#isOver) await this.sendClose(encodeClose(code, reason));
  }

  /** Sends a close frame of any payload. */
  async sendClose(payload: Buffer, rsv = 0): Promise<void> {
    this.#noteClose(payload);
    await this.send({ opcode: opcodes.close, payload, rsv });
  }

  #noteClose(payload: Buffer): void {
    if (this.#localClose !== null) return;
    this.#localClose = readClose(payload);
    if (this.#remoteClose === null) this.#closedByMe = true;
  }

  /** Sends frames of which some are close frames, as `send` does. */
  async sendWithClose(frames: readonly OutgoingFrame[], how: Chop = 'whole'): Promise<void> {
    for (const { opcode, payload } of frames) if (opcode === opcodes.close) this.#noteClose(payload);
    await this.send(frames, how);
  }

  /**
   * Waits until the condition holds, at most so many milliseconds ({@link Patience}): from now on, or, with `sinceActivity`, since octets
   * came or went. Returns whether the condition holds. Conditions are looked at whenever something has come or changed.
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

  /** Octets have come, or were taken. */
  #isActive(): void {
    for (const patience of this.#waits) patience.restart();
  }

  /** Waits until so many events are there, while what comes is the beginning of one of the lists. Returns whether they are. */
  async heard(count: number, lists: readonly (readonly ReceivedEvent[])[]): Promise<boolean> {
    const isDone = () =>
      this.received.length >= count || !this.isOpen || !lists.some((list) => isPrefix(this.received, list));
    await this.until(isDone, this.patience, { sinceActivity: true });
    return this.received.length >= count;
  }

  /** Lets time pass, to see whether the peer fails the connection meanwhile: if not, that is an event, `timeout`. */
  async pause(name: string, milliseconds: number): Promise<void> {
    this.#recorder.time('CT', milliseconds, `wait ${name}: ${milliseconds} ms for the peer to fail the connection`);
    if (await this.until(() => !this.isOpen, milliseconds)) return;
    this.#recorder.time('CTE', milliseconds, `wait ${name} is over`);
    this.received.push({ type: 'timeout', name });
  }

  /** From here on messages go to the function and are no events; null ends that. */
  takeMessages(onMessage: ((payload: Buffer, isBinary: boolean) => void) | null): void {
    this.#onMessage = onMessage;
  }

  /** Adds an event that the case found out itself. */
  note(event: ReceivedEvent): void {
    this.received.push(event);
  }

  /** Waits for the peer to fail the connection; gives up when it does not, or when it sends what is in none of the lists. */
  async awaitFailure(lists: readonly (readonly ReceivedEvent[])[]): Promise<void> {
    const isDone = () => !this.isOpen || !lists.some((list) => isPrefix(this.received, list));
    await this.until(isDone, this.patience);
    if (this.isOpen) {
      this.#closedByMe = true;
      this.abandon('the peer did not fail the connection');
    }
    await this.awaitEnd();
  }

  /** Waits for the end of the connection: for the peer's close frame, then for the TCP connection, which the server ends. */
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
      // Whoever keeps a connection open that is over need not be waited for long.
      if (!(await this.until(() => this.#isGone, Math.min(patience, 1000)))) this.#socket.destroy();
    }
    await this.until(() => this.#isGone, 1000);
  }

  /** Gives up, for the reason. */
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
    // Four octets at a time cost more than the frames.
    if (this.#masksUsed === this.#masks.length) {
      this.#masks = randomBytes(4096);
      this.#masksUsed = 0;
    }
    this.#masksUsed += 4;
    return this.#masks.subarray(this.#masksUsed - 4, this.#masksUsed);
  }

  /** `isAnswer`: behind the peer's close frame only our own has a place. Returns whether all was written. */
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
      throw new Violation(`a message has more than ${maxMessage} octets, which are the most that can be right`, 1009);
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

/** The frames of a message; `rsv` is that of the first. */
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
