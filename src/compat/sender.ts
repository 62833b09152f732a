import type { Duplex, Writable } from 'node:stream';
import { formatClosePayload } from '../connection/close-payload.ts';
import { firstOctet, headerLength, writeHeader } from '../frame/frame-encoder.ts';
import { maskInPlace, maskInto, readKey } from '../frame/mask.ts';
import { nextMaskingKey } from '../frame/masking-key.ts';
import { Opcode } from '../frame/opcode.ts';
import { isBlob, octetLength, type SendData, toOctets } from '../message/send-data.ts';

// The class is undocumented in ws, and still socket.io-adapter encodes its broadcasts with Sender.frame(), and others build endpoints
// of their own on it. Our WebSocket does not use it: see src/transport/.

/** How {@link Sender.frame} encodes. */
export interface SenderFrameOptions {
  /** Whether the message ends with this frame. Default false, as in `ws`. */
  fin?: boolean | undefined;
  rsv1?: boolean | undefined;
  /** The opcode (§5.2). */
  opcode: number;
  /** Whether the frame is masked. Default false. */
  mask?: boolean | undefined;
  /** Whether the octets of the payload must be left as they are. Default false: they are masked where they stand. */
  readOnly?: boolean | undefined;
  /** Where the masking key is put, for those who want to see it; 4 octets. */
  maskBuffer?: Buffer | undefined;
  /** Fills the 4 octets of the masking key. Default: strong randomness (§10.3). */
  generateMask?: ((mask: Buffer) => void) | undefined;
}

/** How {@link Sender.send} sends a message, or a fragment of one. */
export interface SenderSendOptions {
  binary?: boolean | undefined;
  compress?: boolean | undefined;
  fin?: boolean | undefined;
  mask?: boolean | undefined;
}

/** What a {@link Sender} needs of permessage-deflate: the class `PerMessageDeflate` has it. */
export interface SenderExtension {
  readonly _isServer?: boolean;
  readonly _threshold?: number;
  readonly params?: object | null;
  compress(data: Uint8Array | string, fin: boolean, callback: (error: Error | null, octets?: Buffer) => void): void;
}

/** The running extensions by name. */
export interface SenderExtensions {
  'permessage-deflate'?: SenderExtension | undefined;
}

type Callback = (error?: Error | null) => void;

/** What waits for a Blob to be read, or for a message before it to be compressed. */
interface Job {
  readonly octets: number;
  readonly callback: Callback | undefined;
  /** Begins the job; it is finished, and the next one begins, when `done` is called. */
  run(done: (error?: Error) => void): void;
}

/** Stands in the place of a job that is done, so that it can be collected. */
const noJob: Job = { octets: 0, callback: undefined, run: () => {} };

const states = { ready: 0, compressing: 1, readingBlob: 2 } as const;

/**
 * Sends messages as frames on a stream whose opening handshake is done: the class that `ws` exports, an adapter over our frame encoder.
 * Its fields with an underscore are those of `ws` that packages look at.
 */
export class Sender {
  readonly _socket: Writable;
  readonly _extensions: SenderExtensions;
  /** Whether the next message begins, and does not go on with one of which fragments were sent. */
  _firstFragment = true;
  /** Whether the message begun is compressed. */
  _compress = false;
  /** Octets that wait for a Blob, or for compression. */
  _bufferedBytes = 0;
  /** 0: nothing is waited for; 1: compression; 2: a Blob. */
  _state: 0 | 1 | 2 = states.ready;
  /** Told when a message cannot be sent because its Blob cannot be read, or it cannot be compressed. */
  onerror: (error: Error) => void = () => {};
  #queue: Job[] = [];
  /** How many of the queue are done: shift() would cost more the longer it is. */
  #done = 0;
  readonly #generateMask: ((mask: Buffer) => void) | undefined;

  /**
   * @param socket What to write to.
   * @param extensions What was agreed on, by name.
   * @param generateMask Fills the 4 octets of a masking key. Default: strong randomness (§10.3).
   */
  constructor(socket: Writable, extensions: SenderExtensions = {}, generateMask?: (mask: Buffer) => void) {
    this._socket = socket;
    this._extensions = extensions;
    this.#generateMask = generateMask;
  }

  /**
   * Encodes one frame (§5.2): as header and payload, or, where a payload must be masked that is not to be altered, as one Buffer.
   * @param data Text goes as UTF-8.
   * @returns What is to be written, in order.
   */
  static frame(data: Uint8Array | ArrayBuffer | string, options: SenderFrameOptions): Buffer[] {
    const payload = toOctets(data) as Buffer;
    const key = options.mask ? keyOf(options) : null;
    const { length } = payload;
    const header = headerLength(length, key !== null);
    const first = firstOctet(options.opcode as Opcode, Boolean(options.fin), Boolean(options.rsv1));
    if (key !== null && key !== 0 && options.readOnly && typeof data !== 'string') {
      const frame = Buffer.allocUnsafe(header + length);
      writeHeader(frame, 0, first, length, key);
      maskInto(payload, 0, length, frame, header, key);
      return [frame];
    }
    const head = Buffer.allocUnsafe(header);
    writeHeader(head, 0, first, length, key);
    if (length === 0) return [head];
    if (key !== null && key !== 0) maskInPlace(payload, 0, length, key);
    return [head, payload];
  }

  /**
   * Sends a close frame (§5.5.1); one without a code has no reason either.
   * @throws TypeError, RangeError for a code or reason that may not be sent.
   */
  close(code?: number, data?: string | Uint8Array, mask?: boolean, callback?: Callback): void {
    const hasReason = code !== undefined && data !== undefined && data.length > 0;
    const payload = formatClosePayload(code, hasReason ? data : undefined);
    this.#control(Opcode.close, payload, mask, callback);
  }

  /** Sends a ping (§5.5.2). @throws RangeError for more than 125 octets. */
  ping(data?: SendData, mask?: boolean, callback?: Callback): void {
    this.#sendControl(Opcode.ping, data, mask, callback);
  }

  /** Sends a pong (§5.5.3). @throws RangeError for more than 125 octets. */
  pong(data?: SendData, mask?: boolean, callback?: Callback): void {
    this.#sendControl(Opcode.pong, data, mask, callback);
  }

  /** Sends a message, or with `fin` false a fragment of one. What the application passes is never altered. */
  send(data: SendData, options: SenderSendOptions, callback?: Callback): void {
    const size = octetLength(typeof data === 'number' ? String(data) : data);
    const deflate = this._extensions['permessage-deflate'];
    const isFirst = this._firstFragment;
    if (isFirst) this._compress = deflate !== undefined && Boolean(options.compress) && isWorthIt(deflate, size);
    this._firstFragment = Boolean(options.fin);
    const frame: SenderFrameOptions = {
      fin: Boolean(options.fin),
      rsv1: isFirst && this._compress,
      opcode: isFirst ? (options.binary ? Opcode.binary : Opcode.text) : Opcode.continuation,
      mask: Boolean(options.mask),
      readOnly: true,
    };
    const compressing = this._compress ? deflate : undefined;
    if (isBlob(data)) {
      this.#enqueue(size, callback, (done) => this.#sendBlob(data, frame, compressing, callback, done));
      return;
    }
    const octets = typeof data === 'number' ? Buffer.from(String(data)) : ownOctets(data);
    if (compressing !== undefined) {
      const own = this._state === states.ready ? octets : Buffer.from(octets);
      this.#enqueue(size, callback, (done) => this.#sendCompressed(own, frame, compressing, callback, done));
    } else {
      this.#inTurn(octets, frame, callback);
    }
  }

  /** Writes frames that are encoded already, as they are, and in one piece. */
  sendFrame(list: readonly Uint8Array[], callback?: Callback): void {
    const socket = this._socket as Duplex;
    if (list.length > 1) socket.cork();
    if (list.length === 0 && callback !== undefined) process.nextTick(callback);
    const last = list.length - 1;
    for (const [i, chunk] of list.entries()) {
      if (i === last && callback !== undefined) socket.write(chunk, callback);
      else socket.write(chunk);
    }
    if (list.length > 1) socket.uncork();
  }

  #sendControl(opcode: Opcode, data: SendData | undefined, mask?: boolean, callback?: Callback): void {
    const given = typeof data === 'number' ? String(data) : (data ?? '');
    demandControlLength(octetLength(given));
    if (!isBlob(given)) {
      this.#control(opcode, ownOctets(given), mask, callback);
      return;
    }
    const frame = { fin: true, opcode, mask: Boolean(mask), readOnly: true };
    this.#enqueue(given.size, callback, (done) => this.#sendBlob(given, frame, undefined, callback, done));
  }

  #control(opcode: Opcode, payload: Uint8Array, mask?: boolean, callback?: Callback): void {
    demandControlLength(payload.length);
    this.#inTurn(payload, { fin: true, opcode, mask: Boolean(mask), readOnly: true }, callback);
  }

  /** Writes a frame at once, or behind what waits. */
  #inTurn(payload: Uint8Array, frame: SenderFrameOptions, callback?: Callback): void {
    if (this._state === states.ready) {
      this.#write(payload, frame, callback);
      return;
    }
    // A copy: nobody can say how long it will wait.
    const own = Buffer.from(payload);
    this.#enqueue(own.length, callback, (done) => {
      this.#write(own, frame, callback);
      done();
    });
  }

  #write(payload: Uint8Array, frame: SenderFrameOptions, callback?: Callback): void {
    this.sendFrame(Sender.frame(payload, { ...frame, generateMask: this.#generateMask }), callback);
  }

  #sendBlob(
    blob: Blob,
    frame: SenderFrameOptions,
    deflate: SenderExtension | undefined,
    callback: Callback | undefined,
    done: (error?: Error) => void,
  ): void {
    this._state = states.readingBlob;
    blob.arrayBuffer().then(
      (octets) => {
        const payload = Buffer.from(octets);
        // Nobody would catch what is thrown here.
        attempt(done, () => {
          if (this._socket.destroyed) {
            done(closedError('the blob was being read'));
          } else if (deflate !== undefined) {
            this.#sendCompressed(payload, frame, deflate, callback, done);
          } else {
            this.#write(payload, frame, callback);
            done();
          }
        });
      },
      (cause: unknown) => done(cause instanceof Error ? cause : new Error('The Blob could not be read', { cause })),
    );
  }

  #sendCompressed(
    octets: Uint8Array,
    frame: SenderFrameOptions,
    deflate: SenderExtension,
    callback: Callback | undefined,
    done: (error?: Error) => void,
  ): void {
    this._state = states.compressing;
    let isAnswered = false;
    deflate.compress(octets, frame.fin === true, (error, compressed) => {
      if (isAnswered) return;
      isAnswered = true;
      attempt(done, () => {
        if (this._socket.destroyed) throw closedError('data was being compressed');
        if (error || compressed === undefined)
          throw error ?? new Error('The extension compressed a message to nothing');
        // What compression gave is ours, unless it gave back what it got.
        this.#write(compressed, { ...frame, readOnly: compressed.buffer === octets.buffer }, callback);
        done();
      });
    });
  }

  #enqueue(octets: number, callback: Callback | undefined, run: Job['run']): void {
    this._bufferedBytes += octets;
    this.#queue.push({ octets, callback, run });
    if (this._state === states.ready) this.#next();
  }

  #next(): void {
    for (;;) {
      const job = this.#queue[this.#done];
      if (job === undefined) break;
      this.#queue[this.#done++] = noJob;
      // Not ready as long as anything waits, also where a job is done at once: what a callback sends comes behind it.
      if (this._state === states.ready) this._state = states.compressing;
      let hasReturned = false;
      let isDone = false;
      const done = (error?: Error) => {
        if (isDone) return;
        isDone = true;
        this._bufferedBytes -= job.octets;
        if (error !== undefined) this.#fail(error, job);
        if (hasReturned) this.#next();
      };
      attempt(done, () => job.run(done));
      hasReturned = true;
      if (!isDone) return;
    }
    this.#queue = [];
    this.#done = 0;
    this._state = states.ready;
  }

  /** What waits behind a message that could not be sent cannot be sent either. */
  #fail(error: Error, { callback }: Job): void {
    if (callback !== undefined) process.nextTick(callback, error);
    for (const waiting of this.#queue.splice(this.#done)) {
      this._bufferedBytes -= waiting.octets;
      if (waiting.callback !== undefined) process.nextTick(waiting.callback, error);
    }
    // A message that is missing would not be noticed: whoever owns the connection has to end it.
    if (!this._socket.destroyed) process.nextTick(() => this.onerror(error));
  }
}

function keyOf({ maskBuffer, generateMask }: SenderFrameOptions): number {
  const mask = maskBuffer ?? Buffer.alloc(4);
  if (generateMask === undefined) mask.writeInt32LE(nextMaskingKey());
  else generateMask(mask);
  return readKey(mask, 0);
}

/** Below the threshold compression costs more than it saves, where no context helps it. */
function isWorthIt(deflate: SenderExtension, octets: number): boolean {
  const ours = deflate._isServer ? 'server_no_context_takeover' : 'client_no_context_takeover';
  const isWithoutContext = Boolean((deflate.params as Readonly<Record<string, unknown>> | null | undefined)?.[ours]);
  return !isWithoutContext || octets >= Number(deflate._threshold);
}

function closedError(meanwhile: string): Error {
  return new Error(`The socket was closed while ${meanwhile}`);
}

/** Runs a part of a job; what it throws, an extension or `generateMask`, ends the job. */
function attempt(done: (error: Error) => void, part: () => void): void {
  try {
    part();
  } catch (error) {
    done(error as Error);
  }
}

function ownOctets(data: Exclude<SendData, number>): Uint8Array {
  return typeof data === 'string' ? Buffer.from(data) : toOctets(data);
}

function demandControlLength(length: number): void {
  if (length > 125) throw new RangeError('The data size must not be greater than 125 bytes');
}
