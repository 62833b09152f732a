import type { Duplex } from 'node:stream';
import { CloseCode } from '../frame/close-code.ts';

const noReason = Buffer.alloc(0);

/** The state that a closed transport leaves behind. */
interface ClosedTransport {
  readonly stream: Duplex;
  readonly isPaused: boolean;
  readonly hasSentClose: boolean;
}

/**
 * Record of the end of a connection: its close frames, its error, and what was not sent. It is an object of its own, because an open socket
 * needs none, and there may be very many.
 *
 * The fields are for everyone to read. Only the methods write them.
 */
export class CloseRecord {
  /** The peer's close code: 1005 if its close frame has none, 1006 if there was no close frame. */
  code: number = CloseCode.abnormalClosure;
  reason: Buffer = noReason;
  /** True if the closing handshake was completed (§7.1.4). */
  wasClean = false;
  /** True if an `error` event was emitted or published. There is at most one. */
  hasErred = false;
  /** True if reading was paused when the socket closed. */
  isPaused = false;
  /** Number of octets that will never be sent. They count as buffered for ever (WHATWG WebSockets §3.1). */
  lostOctets = 0;
  /** True if the peer's close frame was received. */
  hasReceivedClose = false;
  /** True if our close frame was sent. Known once the socket is closed. */
  hasSentClose = false;
  /** The closed stream. Programs ask it for the peer's address in their `close` listener. */
  stream: Duplex | null = null;

  /** Records the peer's close frame. */
  receiveClose(code: number, reason: Buffer): void {
    this.code = code;
    this.reason = reason;
    this.hasReceivedClose = true;
  }

  /** Counts octets that will never be sent. */
  addLost(octets: number): void {
    this.lostOctets += octets;
  }

  /** Records that the socket has failed. Returns false if that was recorded before. */
  recordError(): boolean {
    const isFirst = !this.hasErred;
    this.hasErred = true;
    return isFirst;
  }

  /**
   * Records the end of the stream.
   * @param transport The transport of the stream; null if the stream closed while its transport was created.
   */
  streamClosed(wasClean: boolean, lostOctets: number, transport: ClosedTransport | null): void {
    this.wasClean = wasClean;
    this.lostOctets += lostOctets;
    this.isPaused = transport?.isPaused ?? false;
    this.hasSentClose = transport?.hasSentClose ?? false;
    this.stream = transport?.stream ?? null;
  }
}
