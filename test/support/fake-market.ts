import type { Clock } from '../../src/goods/client/clock.ts';
import {
  GoodsClient,
  type GoodsClientOptions,
  type PerConnection,
  type SubscribeOptions,
} from '../../src/goods/client.ts';

/** Clock that only advance() moves. */
export class FakeClock implements Clock {
  time = 0;
  readonly timers = new Set<{ readonly at: number; readonly callback: () => void }>();

  now(): number {
    return this.time;
  }

  setTimeout(callback: () => void, milliseconds: number): unknown {
    const timer = { at: this.time + milliseconds, callback };
    this.timers.add(timer);
    return timer;
  }

  clearTimeout(timer: unknown): void {
    this.timers.delete(timer as { at: number; callback: () => void });
  }

  /** Sets the clock forward to the next timer, and calls it. */
  ring(): void {
    const [next] = [...this.timers].sort((a, b) => a.at - b.at);
    if (next === undefined) throw new Error('there is no timer');
    this.advance(next.at - this.time);
  }

  advance(milliseconds: number): void {
    const end = this.time + milliseconds;
    for (;;) {
      const [next] = [...this.timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
      if (next === undefined) break;
      this.timers.delete(next);
      this.time = Math.max(this.time, next.at);
      next.callback();
    }
    this.time = end;
  }
}

interface Asked {
  readonly op: string;
  readonly id: number;
  readonly [field: string]: unknown;
}

/** Market's side of one connection. Tests choose each frame. Written only from docs/goods-protocol.md. */
export class FakeSocket {
  protocol = 'goods.v1';
  readyState = 0;
  binaryType = 'blob';
  readonly sent: (string | Uint8Array)[] = [];
  closedWith: number | undefined;
  isTerminated = false;
  readonly #listeners = new Map<string, (event: unknown) => void>();

  addEventListener(type: string, listener: (event: unknown) => void): void {
    this.#listeners.set(type, listener);
  }

  send(data: string | Uint8Array): void {
    this.sent.push(data);
  }

  close(code?: number): void {
    this.closedWith = code;
  }

  terminate(): void {
    this.isTerminated = true;
  }

  emit(type: string, event: unknown = {}): void {
    this.#listeners.get(type)?.(event);
  }

  welcome(limits: object = {}): void {
    this.readyState = 1;
    this.emit('open');
    this.say({ op: 'welcome', protocol: 'goods.v1', heartbeat: 30_000, limits });
  }

  say(...frames: readonly (object | string)[]): void {
    for (const frame of frames)
      this.emit('message', { data: typeof frame === 'string' ? frame : JSON.stringify(frame) });
  }

  sayBytes(hex: string): void {
    this.emit('message', { data: Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex')).buffer });
  }

  end(code: number, reason = ''): void {
    this.readyState = 3;
    this.emit('close', { code, reason });
  }

  get requests(): Asked[] {
    return this.sent.filter((one) => typeof one === 'string').map((text) => JSON.parse(text) as Asked);
  }

  get last(): Asked {
    return this.requests.at(-1)!;
  }

  ok(fields: object = {}, id: number = this.last.id): void {
    this.say({ op: 'ok', id, ...fields });
  }

  refuse(code: string, fields: object = {}, id: number = this.last.id): void {
    this.say({ op: 'error', id, code, message: `no: ${code}`, ...fields });
  }
}

/** Returns a client whose connections are {@link FakeSocket}s. */
export function meet(options: GoodsClientOptions = {}, address: PerConnection<string | URL> = 'ws://market') {
  const sockets: FakeSocket[] = [];
  const made: unknown[][] = [];
  class Socket extends FakeSocket {
    constructor(...settings: unknown[]) {
      super();
      sockets.push(this);
      made.push(settings);
    }
  }
  const clock = new FakeClock();
  const client = new GoodsClient(address, {
    WebSocket: Socket,
    clock,
    random: () => 0.5,
    heartbeat: 0,
    ...options,
  });
  const errors: unknown[] = [];
  client.on('error', (error) => errors.push(error));
  return {
    client,
    clock,
    sockets,
    /** Constructor arguments of each socket. */
    made,
    errors,
    /** Loses the connection, and lets the client make the next one. */
    reconnect(): void {
      const before = sockets.length;
      sockets.at(-1)!.end(1006);
      while (sockets.length === before) clock.ring();
      sockets.at(-1)!.welcome();
    },
    /** The latest connection. */
    get socket() {
      return sockets.at(-1)!;
    },
  };
}

/** Resolves after all pending promise callbacks have run. */
export const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

export const stream = (goods = 'a', fields: object = {}) => ({ goods, kind: 'json', epoch: 'e', offset: 0, ...fields });
export const item = (offset: number, goods = 'a', fields: object = {}) => ({
  op: 'item',
  goods,
  offset,
  item: offset,
  ...fields,
});

/** A client that is connected and has subscribed to goods. */
export async function subscribed(
  options: SubscribeOptions<number> = {},
  goods = 'a',
  streams: object[] = [stream(goods)],
) {
  const stage = meet();
  stage.socket.welcome();
  const subscribing = stage.client.subscribe<number, undefined>(goods, undefined, options);
  stage.socket.ok({ streams });
  return { ...stage, stage, socket: stage.socket, subscription: await subscribing };
}
