import type { Duplex } from 'node:stream';
import type { Connection } from '../connection/connection.ts';
import { afterTick, rethrow } from '../event-loop/after-tick.ts';
import type { EndpointDeflate } from '../extension/endpoint-deflate.ts';
import { requireTrueLength } from '../frame/frame-encoder.ts';
import type { PreparedMessage } from '../message/prepared-message.ts';
import { isError } from '../realm/kinds.ts';
import { callAll, closedWhile, type PendingSend, pendingSend, type SendCallback } from './send-callback.ts';
import { deflateOnThreadPool, prepareOnThreadPool, type ThreadPoolJob } from './thread-pool-zlib.ts';
import type { TransportSettings } from './transport-settings.ts';

/** The connection that sends. */
export interface SendQueueHost {
  readonly stream: Duplex;
  readonly connection: Connection;
  /** The first job was queued. Until {@link queueEmptied} everything else that is sent has to be queued behind it. */
  queueStarted(queue: SendQueue): void;
  queueEmptied(): void;
  /** Frames were written to the connection's outgoing batch. The callback is called when they have left. */
  written(pending: PendingSend | undefined): void;
  /** Destroys the connection, because the peer could not detect that a message was left out. */
  sendFailed(error: Error): void;
}

type Job = () => void | Promise<void>;

interface QueuedJob {
  /** Number of octets that it holds. */
  readonly octets: number;
  /** Number of them that are payload of a message. */
  readonly payload: number;
  readonly run: Job;
}

/**
 * Maximum length, in characters or octets, of a message that is deflated on the main thread: 16 KiB, a third of a millisecond. Longer
 * ones are deflated on the thread pool.
 */
export const maxDeflatedAtOnce = 16_384;

// Ends of the error message for queued sends that fail when the socket closes. Wording as in `ws`.
const readingBlob = 'the blob was being read';
const compressing = 'data was being compressed';

/** Replaces a job that has run, so that it can be collected. */
const doneJob: QueuedJob = { octets: 0, payload: 0, run: () => {} };

/** Returns true if a message is compressed, and takes so long that the thread pool compresses it. */
export function deflatesOnThreadPool(connection: Connection, data: string | Uint8Array, compresses: boolean): boolean {
  return data.length > maxDeflatedAtOnce && connection.compresses(data, compresses);
}

/**
 * Sends that wait for a Blob to be read or for zlib, and everything sent behind them, in order. A queue is used once: from its first job
 * until it is empty.
 */
export class SendQueue {
  readonly #host: SendQueueHost;
  readonly #jobs: QueuedJob[] = [];
  /** The job that runs and has not written yet. */
  #current = doneJob;
  #octets = 0;
  #payload = 0;
  #hasStarted = false;
  /** The operation that the current job waits for. */
  #waitsFor = readingBlob;
  #deflating: ThreadPoolJob | null = null;

  constructor(host: SendQueueHost) {
    this.#host = host;
  }

  /** Number of octets that wait to be sent. */
  get octets(): number {
    return this.#octets;
  }

  /** Number of them that are payload of messages, before compression. */
  get payload(): number {
    return this.#payload;
  }

  /** Queues a message or a fragment. The data is copied, because it may wait for any time. */
  send(
    data: string | Uint8Array,
    isBinary: boolean,
    fin: boolean,
    masked: boolean,
    compresses: boolean,
    callback?: SendCallback,
  ): void {
    if (typeof data !== 'string') requireTrueLength(data);
    const copy = typeof data === 'string' ? data : Buffer.from(data);
    const pending = pendingSend(callback);
    this.#enqueueMessage(Buffer.byteLength(copy), () => this.#send(copy, isBinary, fin, masked, compresses, pending));
  }

  /** Queues a message or a fragment whose data is first read from a Blob. */
  sendBlob(
    blob: Blob,
    isBinary: boolean,
    fin: boolean,
    masked: boolean,
    compresses: boolean,
    callback?: SendCallback,
  ): void {
    this.#enqueueBlob(blob, blob.size, callback, (octets, pending) =>
      this.#send(octets, isBinary, fin, masked, compresses, pending),
    );
  }

  /**
   * Queues a message that was prepared for many connections. If it does not have its frame yet, the thread pool compresses it first.
   * @param variant How it is compressed; null if it is not.
   */
  sendPrepared(message: PreparedMessage, variant: EndpointDeflate | null, callback?: SendCallback): void {
    const { connection } = this.#host;
    const pending = pendingSend(callback);
    this.#enqueueMessage(message.octets.length, async () => {
      const { concurrencyLimit } = connection.settings as TransportSettings;
      this.#waitsFor = compressing;
      try {
        if (!message.has(variant)) await prepareOnThreadPool(message, variant!, concurrencyLimit);
      } catch (error) {
        this.#fail(error, pending);
        return;
      }
      this.#whileOpen(pending, () => connection.sendEncoded(message.frame(variant), message.octets.length));
    });
  }

  /** Queues a prepared message as {@link send} would, but fails it if a fragmented message is being sent when the job runs. */
  sendUnfragmented(message: PreparedMessage, masked: boolean, callback?: SendCallback): void {
    const { octets, isBinary, compresses } = message;
    const pending = pendingSend(callback);
    this.#enqueueMessage(octets.length, () => {
      try {
        this.#host.connection.demandUnfragmented();
      } catch (error) {
        if (pending !== undefined) callAll([pending], error as Error);
        return;
      }
      return this.#send(octets, isBinary, true, masked, compresses, pending);
    });
  }

  /** Queues encoded frames, which are copied. */
  sendRaw(frames: readonly Uint8Array[], callback?: SendCallback): void {
    const copy = Buffer.concat(frames);
    const pending = pendingSend(callback);
    this.#enqueueMessage(copy.length, () => this.#whileOpen(pending, () => this.#host.connection.sendRaw(copy)));
  }

  /** Queues a ping or a pong, whose payload is copied. */
  sendControl(kind: 'ping' | 'pong', payload: Uint8Array, masked: boolean, callback?: SendCallback): void {
    const copy = Buffer.from(payload);
    const pending = pendingSend(callback);
    this.enqueue(copy.length, () => this.#whileOpen(pending, () => this.#host.connection[kind](copy, masked)));
  }

  /** Queues a ping or a pong whose payload is first read from a Blob. */
  sendBlobControl(kind: 'ping' | 'pong', blob: Blob, masked: boolean, callback?: SendCallback): void {
    this.#enqueueBlob(blob, 0, callback, (octets, pending) =>
      this.#whileOpen(pending, () => this.#host.connection[kind](octets, masked)),
    );
  }

  #enqueueMessage(octets: number, run: Job): void {
    this.enqueue(octets, run, octets);
  }

  /** Queues a job. The first one runs at once. An error that a job throws becomes an uncaught exception. */
  enqueue(octets: number, run: Job, payload = 0): void {
    this.#octets += octets;
    this.#payload += payload;
    this.#jobs.push({ octets, payload, run });
    if (this.#hasStarted) return;
    this.#hasStarted = true;
    this.#host.queueStarted(this);
    void this.#work();
  }

  /** Ends the compression that the current job waits for. The stream has closed. */
  cancel(): void {
    this.#deflating?.cancel();
  }

  async #work(): Promise<void> {
    const jobs = this.#jobs;
    // Not shift(), whose cost grows with the queue, nor an iterator, because jobs are added meanwhile.
    for (let at = 0; at < jobs.length; at++) {
      this.#current = jobs[at]!;
      jobs[at] = doneJob;
      try {
        await this.#current.run();
      } catch (thrown) {
        // Otherwise an error that a listener throws would stop the queue, or be an unhandled rejection.
        afterTick(rethrow, thrown);
      }
      this.#leave();
    }
    this.#host.queueEmptied();
  }

  /** Counts the current job no more: it is being written, where it is counted again, or it has failed. */
  #leave(): void {
    const { octets, payload } = this.#current;
    this.#current = doneJob;
    this.#octets -= octets;
    this.#payload -= payload;
  }

  #enqueueBlob(
    blob: Blob,
    payload: number,
    callback: SendCallback | undefined,
    write: (octets: Uint8Array, pending: PendingSend | undefined) => void | Promise<void>,
  ): void {
    const pending = pendingSend(callback);
    const run = async () => {
      let octets: Uint8Array;
      this.#waitsFor = readingBlob;
      try {
        octets = new Uint8Array(await blob.arrayBuffer());
      } catch (cause) {
        this.#fail(cause, pending, 'The Blob could not be read');
        return;
      }
      await write(octets, pending);
    };
    this.enqueue(blob.size, run, payload);
  }

  /** Sends a message or a fragment. The data is not copied. */
  #send(
    data: string | Uint8Array,
    isBinary: boolean,
    fin: boolean,
    masked: boolean,
    compresses: boolean,
    pending: PendingSend | undefined,
  ): void | Promise<void> {
    const { connection, stream } = this.#host;
    // Otherwise messages that cannot be sent any more would be compressed first.
    if (!stream.writable || !deflatesOnThreadPool(connection, data, compresses)) {
      this.#whileOpen(pending, () => connection.send(data, isBinary, fin, masked, compresses));
      return;
    }
    const octets = typeof data === 'string' ? Buffer.from(data) : asBuffer(data);
    return this.#deflate(octets, fin).then(
      (deflated) =>
        this.#whileOpen(pending, () => connection.sendDeflated(deflated, octets, isBinary, fin, masked, true)),
      (error) => this.#fail(error as Error, pending),
    );
  }

  #deflate(octets: Buffer, fin: boolean): Promise<Buffer> {
    const { deflate, concurrencyLimit } = this.#host.connection.settings as TransportSettings;
    this.#waitsFor = compressing;
    return new Promise((resolve, reject) => {
      const done = (error: Error | null, deflated?: Buffer) => {
        this.#deflating = null;
        if (deflated === undefined) reject(error);
        else resolve(deflated);
      };
      const job = deflateOnThreadPool(octets, deflate!.threadPoolDeflateOptions, concurrencyLimit, done, fin);
      this.#deflating = {
        cancel: () => {
          job.cancel();
          done(closedWhile(compressing));
        },
      };
    });
  }

  /** Writes if the stream can still be written to. Otherwise the callback gets an error. */
  #whileOpen(pending: PendingSend | undefined, write: () => void): void {
    let error: Error | undefined;
    if (this.#host.stream.writable) {
      this.#leave();
      try {
        write();
      } catch (thrown) {
        error = thrown as Error;
      }
    } else {
      error = closedWhile(this.#waitsFor);
    }
    if (error === undefined) this.#host.written(pending);
    else if (pending !== undefined) callAll([pending], error);
  }

  #fail(cause: unknown, pending: PendingSend | undefined, message = 'A message could not be sent'): void {
    const error = isError(cause) ? cause : new Error(message, { cause });
    if (pending !== undefined) callAll([pending], error);
    const { connection, stream } = this.#host;
    // Otherwise an error would be reported for a connection that has already ended.
    if (!stream.destroyed && connection.state !== 'ended') this.#host.sendFailed(error);
  }
}

function asBuffer(octets: Uint8Array): Buffer {
  return Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength);
}
