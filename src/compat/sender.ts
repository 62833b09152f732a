import type { Duplex, Writable } from 'node:stream';
import { formatClosePayload } from '../connection/close-payload.ts';
import { afterTick } from '../event-loop/after-tick.ts';
import { firstOctet, headerLength, writeHeader } from '../frame/frame-encoder.ts';
import { maskInPlace, maskInto, readKey } from '../frame/mask.ts';
import { nextMaskingKey } from '../frame/masking-key.ts';
import { Opcode } from '../frame/opcode.ts';
import { isBlob, octetLength, type SendData, toOctets } from '../message/send-data.ts';
import { isError, isUint8Array } from '../realm/kinds.ts';

// ws does not document this class, but socket.io-adapter encodes its broadcasts with Sender.frame(), and other
// endpoints are built on the class. Our WebSocket does not use it: see src/transport/.

/** Options of {@link Sender.frame}. */
export interface SenderFrameOptions {
  /** True if the message ends with this frame. Default false, as in `ws`. */
  fin?: boolean | undefined;
  rsv1?: boolean | undefined;
  /** Opcode (§5.2). */
  opcode: number;
  /** True to mask the frame. Default false. */
  mask?: boolean | undefined;
  /** True if the payload must not be changed. Default false: the payload is masked in place. */
  readOnly?: boolean | undefined;
  /** Receives the masking key, so that the caller can read it; 4 bytes. */
  maskBuffer?: Buffer | undefined;
  /** Fills the 4 bytes of the masking key. Default: cryptographic randomness (§10.3). */
  generateMask?: ((mask: Buffer) => void) | undefined;
}

/** Options of {@link Sender.send} for a message or a fragment. */
export interface SenderSendOptions {
  binary?: boolean | undefined;
  compress?: boolean | undefined;
  fin?: boolean | undefined;
  mask?: boolean | undefined;
}

/** Interface of permessage-deflate that a {@link Sender} uses. `PerMessageDeflate` implements it. */
export interface SenderExtension {
  readonly _isServer?: boolean;
  readonly _threshold?: number;
  readonly params?: object | null;
  compress(data: Uint8Array | string, fin: boolean, callback: (error: Error | null, octets?: Buffer) => void): void;
}

/** Active extensions by name. */
export interface SenderExtensions {
  'permessage-deflate'?: SenderExtension | undefined;
}

type Callback = (error?: Error | null) => void;

/** Queued message that waits for a Blob, for compression, or for an earlier message. */
interface Job {
  readonly octets: number;
  readonly callback: Callback | undefined;
  /** Starts the job. The next job starts after `done` was called. */
  run(done: (error?: Error) => void): void;
}

/** Replaces a finished job, so that the job can be garbage-collected. */
const noJob: Job = { octets: 0, callback: undefined, run: () => {} };

const states = { ready: 0, compressing: 1, readingBlob: 2 } as const;

/**
 * Sends messages as frames on a stream after the opening handshake, with the interface of `ws`: an adapter over our
 * frame encoder. Fields with an underscore exist because packages read them in `ws`.
 */
export class Sender {
  readonly _socket: Writable;
  readonly _extensions: SenderExtensions;
  /** True if the next fragment begins a message; false inside a fragmented message. */
  _firstFragment = true;
  /** True if the current fragmented message is compressed. */
  _compress = false;
  /** Number of bytes that wait for a Blob or for compression. */
  _bufferedBytes = 0;
  /** State: 0 is ready, 1 compressing, 2 reading a Blob. */
  _state: 0 | 1 | 2 = states.ready;
  /** Called if a message cannot be sent because its Blob cannot be read, or its compression failed. */
  onerror: (error: Error) => void = () => {};
  #queue: Job[] = [];
  /** Number of finished jobs at the beginning of the queue. shift() would cost more for a longer queue. */
  #done = 0;
  readonly #generateMask: ((mask: Buffer) => void) | undefined;

  /**
   * Creates a sender of frames.
   * @param socket Stream to write to.
   * @param extensions Agreed extensions, by name.
   * @param generateMask Fills the 4 bytes of a masking key. Default: cryptographic randomness (§10.3).
   */
  constructor(socket: Writable, extensions: SenderExtensions = {}, generateMask?: (mask: Buffer) => void) {
    this._socket = socket;
    this._extensions = extensions;
    this.#generateMask = generateMask;
  }

  /**
   * Encodes one frame (§5.2) as header and payload. If a read-only payload must be masked, the frame is one Buffer.
   * @param data Text is encoded in UTF-8.
   * @returns The Buffers to write, in order.
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
   * Sends a close frame (§5.5.1). Without a code the reason is omitted. Data without a length is no reason.
   * @throws TypeError or RangeError if the code or the reason must not be sent.
   */
  close(code?: number, data?: string | Uint8Array, mask?: boolean, callback?: Callback): void {
    const hasReason = code !== undefined && data !== undefined && data.length > 0;
    // Otherwise the elements of another view would be sent in place of its octets.
    if (hasReason && typeof data !== 'string' && !isUint8Array(data))
      throw new TypeError('Second argument must be a string or a Uint8Array');
    const payload = formatClosePayload(code, hasReason ? data : undefined);
    this.#control(Opcode.close, payload, mask, callback);
  }

  /**
   * Sends a ping (§5.5.2).
   * @throws RangeError if the payload is longer than 125 bytes.
   */
  ping(data?: SendData, mask?: boolean, callback?: Callback): void {
    this.#sendControl(Opcode.ping, data, mask, callback);
  }

  /**
   * Sends a pong (§5.5.3).
   * @throws RangeError if the payload is longer than 125 bytes.
   */
  pong(data?: SendData, mask?: boolean, callback?: Callback): void {
    this.#sendControl(Opcode.pong, data, mask, callback);
  }

  /** Sends a message, or with `fin` false a fragment. The application's data is never changed. */
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

  /**
   * Encodes a frame and writes it at once; with `compress` true, its payload is compressed first, and later sends wait
   * for it. Programs that encode messages for many sockets call it in `ws`.
   */
  dispatch(data: Uint8Array | string, compress: boolean, options: SenderFrameOptions, callback?: Callback): void {
    const deflate = this._extensions['permessage-deflate'];
    if (!compress || deflate === undefined) {
      // Otherwise the receiver would inflate what nobody has compressed.
      this.sendFrame(Sender.frame(data, compress ? { ...options, rsv1: false } : options), callback);
      return;
    }
    const octets = Buffer.from(data as string);
    this.#enqueue(octets.length, callback, (done) => this.#sendCompressed(octets, options, deflate, callback, done));
  }

  /** Writes encoded frames unchanged, corked together. */
  sendFrame(list: readonly Uint8Array[], callback?: Callback): void {
    const socket = this._socket as Duplex;
    if (list.length > 1) socket.cork();
    if (list.length === 0 && callback !== undefined) afterTick(callback);
    const last = list.length - 1;
    for (const [i, chunk] of list.entries()) {
      if (i === last && callback !== undefined) socket.write(chunk, callback);
      else socket.write(chunk);
    }
    if (list.length > 1) socket.uncork();
  }

  #sendControl(opcode: Opcode, data: SendData | undefined, mask?: boolean, callback?: Callback): void {
    const given = typeof data === 'number' ? String(data) : (data ?? '');
    assertControlLength(octetLength(given));
    if (!isBlob(given)) {
      this.#control(opcode, ownOctets(given), mask, callback);
      return;
    }
    const frame = { fin: true, opcode, mask: Boolean(mask), readOnly: true };
    this.#enqueue(given.size, callback, (done) => this.#sendBlob(given, frame, undefined, callback, done));
  }

  #control(opcode: Opcode, payload: Uint8Array, mask?: boolean, callback?: Callback): void {
    assertControlLength(payload.length);
    this.#inTurn(payload, { fin: true, opcode, mask: Boolean(mask), readOnly: true }, callback);
  }

  /** Writes a frame at once, or queues it behind waiting messages. */
  #inTurn(payload: Uint8Array, frame: SenderFrameOptions, callback?: Callback): void {
    if (this._state === states.ready) {
      this.#write(payload, frame, callback);
      return;
    }
    // Copied, because the application may change its data while the frame waits.
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
        // Otherwise an exception here would be an unhandled rejection.
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
      (cause: unknown) => done(isError(cause) ? cause : new Error('The Blob could not be read', { cause })),
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
        if (error || compressed === undefined) throw error ?? new Error('The extension returned no compressed data');
        // The compressed data belongs to this Sender, unless the extension returned its input.
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
      // Not ready while a job is queued, even if it finishes synchronously. Otherwise a message sent by a callback
      // could overtake it.
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

  /** Fails a job and all queued jobs behind it, because they cannot be sent either. */
  #fail(error: Error, { callback }: Job): void {
    if (callback !== undefined) afterTick(callback, error);
    for (const waiting of this.#queue.splice(this.#done)) {
      this._bufferedBytes -= waiting.octets;
      if (waiting.callback !== undefined) afterTick(waiting.callback, error);
    }
    // The owner must end the connection, because the peer could not detect the missing message.
    if (!this._socket.destroyed) afterTick(() => this.onerror(error));
  }
}

function keyOf({ maskBuffer, generateMask }: SenderFrameOptions): number {
  const mask = maskBuffer ?? Buffer.alloc(4);
  if (generateMask === undefined) mask.writeInt32LE(nextMaskingKey());
  else generateMask(mask);
  return readKey(mask, 0);
}

/** True if compression is worthwhile. Below the threshold it costs more than it saves, unless context is taken over. */
function isWorthIt(deflate: SenderExtension, octets: number): boolean {
  const ours = deflate._isServer ? 'server_no_context_takeover' : 'client_no_context_takeover';
  const isWithoutContext = Boolean((deflate.params as Readonly<Record<string, unknown>> | null | undefined)?.[ours]);
  return !isWithoutContext || octets >= Number(deflate._threshold);
}

function closedError(meanwhile: string): Error {
  return new Error(`The socket was closed while ${meanwhile}`);
}

/** Runs a part of a job. An exception, such as of an extension or `generateMask`, ends the job. */
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

function assertControlLength(length: number): void {
  if (length > 125) throw new RangeError('The data size must not be greater than 125 bytes');
}
