import { afterPoll } from '../../event-loop/after-poll.ts';
import { reportLimit } from '../../transport/diagnostics.ts';
import type { Transport } from '../../transport/transport.ts';
import { WebSocket } from '../../websocket/websocket.ts';
import type { Coding } from '../fan-out/encoded-message.ts';
import type { Link } from '../session/link.ts';
import type { Observer } from '../shelf/observer.ts';
import { codingFor } from './frame-coding.ts';

/** The link of a market to a WebSocket. Sends encoded frames straight to the transport. */
export class SocketLink implements Link {
  readonly coding: Coding;
  readonly #websocket: WebSocket;
  readonly #transport: Transport;
  readonly #observer: Observer;

  constructor(websocket: WebSocket, transport: Transport, observer: Observer) {
    this.#websocket = websocket;
    this.#transport = transport;
    this.#observer = observer;
    this.coding = codingFor(transport.settings.deflate);
  }

  get bufferedAmount(): number {
    return this.#transport.heldOctets;
  }

  send(pieces: readonly Uint8Array[]): void {
    if (this.#websocket.readyState !== WebSocket.OPEN) return;
    try {
      this.#transport.sendShared(pieces);
    } catch (error) {
      // The application has sent on this WebSocket too. The connection ends, because the peer could not detect the missing frames.
      this.#observer.failure({ place: 'market', goods: undefined, variant: undefined, error });
      this.terminate();
    }
  }

  awaitDrain(callback: () => void): void {
    const { stream } = this.#transport;
    // Otherwise frames that have not been written would never drain.
    this.#transport.flush();
    if (stream.writableNeedDrain) stream.once('drain', callback);
    else afterPoll(callback);
  }

  ping(): void {
    if (this.#websocket.readyState === WebSocket.OPEN) this.#websocket.ping();
  }

  close(code: number, reason: string): void {
    this.#websocket.close(code, reason);
  }

  terminate(unansweredHeartbeat?: number): void {
    if (unansweredHeartbeat !== undefined) {
      reportLimit(() => ({ limit: 'heartbeat', value: unansweredHeartbeat, websocket: this.#websocket }));
    }
    this.#websocket.terminate();
  }
}
