import { EventEmitter } from 'node:events';
import { type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { endedHere, UnaskedConnections, type UnaskedLimits } from '../../src/server/unasked-connections.ts';
import { reachedLimits } from '../support/reached-limits.ts';

const unlimited: UnaskedLimits = { maxPendingHandshakes: 0, pending: 0, handshakeTimeout: 0, closeTimeout: 1000 };

/** Socket in memory with the properties of `net.Socket` and of an HTTP connection. */
class FakeSocket extends PassThrough {
  bytesRead = 0;
  /** The HTTP server puts its parser on each socket, and takes it off when it hands the socket over. */
  parser: object | null = {};
  sent = '';
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.sent += chunk;
    done();
  }
}

/** Request and response of an HTTP server, as far as they matter. */
class FakeExchange {
  readonly request: { socket: FakeSocket; complete: boolean };
  readonly response = Object.assign(new EventEmitter(), { shouldKeepAlive: true });
  constructor(socket: FakeSocket, complete: boolean) {
    this.request = { socket, complete };
  }
}

/** Returns the connections of a server with these limits, and functions that play the server. */
function limitedTo(limits: Partial<UnaskedLimits> | (() => Partial<UnaskedLimits>)) {
  const server = Object.assign(new EventEmitter(), { keepAliveTimeout: 0 });
  const given = typeof limits === 'function' ? limits : () => limits;
  const unasked = new UnaskedConnections(server as unknown as Server, () => ({ ...unlimited, ...given() }));
  const open = () => {
    const socket = new FakeSocket();
    server.emit('connection', socket);
    return socket;
  };
  const ask = (socket: FakeSocket, isComplete = true) => {
    socket.bytesRead += 100;
    const exchange = new FakeExchange(socket, isComplete);
    server.emit('request', exchange.request, exchange.response);
    return exchange;
  };
  /** Asks, and gets an answer of ours, which the client does not read. */
  const leaveUnread = (socket: FakeSocket) => {
    const { request, response } = ask(socket);
    endedHere.add(response as unknown as ServerResponse);
    Object.assign(socket, { _httpMessage: Object.assign(response, { req: request }) });
  };
  return { server, unasked, open, ask, leaveUnread, reached: reachedLimits() };
}

describe('maxPendingHandshakes', () => {
  it('destroys the connection that has waited longest if there are too many', () => {
    const { unasked, open, reached } = limitedTo({ maxPendingHandshakes: 2 });
    const sockets = [open(), open(), open(), open()];
    expect(sockets.map(({ destroyed }) => destroyed)).toEqual([true, true, false, false]);
    expect(unasked.size).toBe(2);
    expect(reached).toEqual(sockets.slice(0, 2).map((socket) => ({ limit: 'maxPendingHandshakes', value: 2, socket })));
  });

  it('leaves the handshakes that wait for the application less, but room for one connection', () => {
    let pending = 1;
    const { open } = limitedTo(() => ({ maxPendingHandshakes: 3, pending }));
    const sockets = [open(), open(), open()];
    expect(sockets.map(({ destroyed }) => destroyed)).toEqual([true, false, false]);
    pending = 3;
    sockets.push(open());
    expect(sockets.map(({ destroyed }) => destroyed)).toEqual([true, true, true, false]);
  });

  it('does not count a connection whose request has arrived, and never destroys it', () => {
    const { unasked, open } = limitedTo({ maxPendingHandshakes: 1 });
    const asked = open();
    unasked.delete(asked);
    expect([unasked.size, asked.listenerCount('close')]).toEqual([0, new FakeSocket().listenerCount('close')]);
    const [first, second] = [open(), open()];
    expect([asked.destroyed, first.destroyed, second.destroyed]).toEqual([false, true, false]);
  });

  it('does not destroy a connection that the HTTP server has handed over to other code', () => {
    const { open } = limitedTo({ maxPendingHandshakes: 1 });
    const tunnel = open();
    tunnel.parser = null;
    const [first, second] = [open(), open()];
    expect([tunnel, first, second].map(({ destroyed }) => destroyed)).toEqual([false, true, false]);
  });

  it('does not count a connection that has closed', () => {
    const { unasked, open } = limitedTo({ maxPendingHandshakes: 1 });
    open().emit('close');
    expect(unasked.size).toBe(0);
    expect(open().destroyed).toBe(false);
  });

  it('is asked for at each connection; 0 is unlimited', () => {
    let limit = 0;
    const { unasked, open } = limitedTo(() => ({ maxPendingHandshakes: limit }));
    const sockets = Array.from({ length: 50 }, open);
    expect(unasked.size).toBe(50);
    expect(sockets.some(({ destroyed }) => destroyed)).toBe(false);
    limit = 50;
    open();
    expect(sockets.map(({ destroyed }) => destroyed).indexOf(false)).toBe(1);
  });

  it('ignores a connection that it does not have', () => {
    const { unasked, open } = limitedTo({});
    open();
    unasked.delete(new PassThrough());
    expect(unasked.size).toBe(1);
  });
});

describe('handshakeTimeout', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  const timeout = 1000;
  const answer408 = 'HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n';

  it.each([
    ['nothing', 0],
    ['half a request', 10],
    ['a request octet by octet', 1],
  ])('ends a connection that sends %s, at most a quarter late, with 408', async (title, octets) => {
    const { unasked, open, reached } = limitedTo({ handshakeTimeout: timeout });
    open();
    vi.advanceTimersByTime(timeout / 8);
    const socket = open();
    for (let passed = 0; passed < timeout; passed += timeout / 10) {
      if (passed === 0 || title.includes('by')) socket.bytesRead += octets;
      expect([socket.sent, socket.destroyed]).toEqual(['', false]);
      vi.advanceTimersByTime(timeout / 10);
    }
    vi.advanceTimersByTime(timeout / 4);
    expect(socket.sent).toBe(answer408);
    expect(unasked.size).toBe(0);
    expect(reached.at(-1)).toEqual({ limit: 'handshakeTimeout', value: timeout, socket });
  });

  it('costs one timer for all connections, and none when they are gone', () => {
    const { unasked, open } = limitedTo({ handshakeTimeout: timeout });
    const sockets = Array.from({ length: 100 }, open);
    expect(vi.getTimerCount()).toBe(1);
    vi.advanceTimersByTime(timeout / 2);
    expect(vi.getTimerCount()).toBe(1);
    for (const socket of sockets) unasked.delete(socket);
    expect(vi.getTimerCount()).toBe(0);
  });

  it.each([0, Number.NaN])('of %d has no timer', (handshakeTimeout) => {
    limitedTo({ handshakeTimeout }).open();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('of Infinity never ends a connection', () => {
    const { open } = limitedTo({ handshakeTimeout: Number.POSITIVE_INFINITY });
    const socket = open();
    vi.advanceTimersByTime(2 ** 31);
    expect(socket.destroyed).toBe(false);
  });

  it('does not end a connection that the application is answering, however long that takes', () => {
    const { open, ask } = limitedTo({ handshakeTimeout: timeout });
    const socket = open();
    ask(socket);
    vi.advanceTimersByTime(timeout * 20);
    expect([socket.sent, socket.destroyed]).toEqual(['', false]);
  });

  it('ends a connection that does not read our answer', () => {
    const { open, leaveUnread, reached } = limitedTo({ handshakeTimeout: timeout });
    const socket = open();
    leaveUnread(socket);
    vi.advanceTimersByTime(timeout);
    expect(socket.destroyed).toBe(false);
    vi.advanceTimersByTime(timeout / 2);
    expect([socket.sent, socket.destroyed]).toEqual(['', true]);
    expect(reached).toEqual([{ limit: 'handshakeTimeout', value: timeout, socket }]);
  });

  it('does not end a connection that reads our answers, however slowly', () => {
    const { open, leaveUnread } = limitedTo({ handshakeTimeout: timeout });
    const socket = open();
    for (let answers = 0; answers < 10; answers++) {
      leaveUnread(socket);
      vi.advanceTimersByTime(timeout);
    }
    expect(socket.destroyed).toBe(false);
  });

  it('does not end a connection whose request is answered by a program that has removed our listener', () => {
    const { open } = limitedTo({ handshakeTimeout: timeout });
    const socket = Object.assign(open(), { _httpMessage: { req: { complete: true } } });
    vi.advanceTimersByTime(timeout * 20);
    expect(socket.destroyed).toBe(false);
  });

  it('does not end a connection that the HTTP server has handed over to other code', () => {
    const { unasked, open } = limitedTo({ handshakeTimeout: timeout });
    const tunnel = open();
    tunnel.parser = null;
    vi.advanceTimersByTime(timeout * 20);
    expect([tunnel.destroyed, unasked.size]).toEqual([false, 0]);
  });

  it('ends a connection whose request has been answered and goes on without end, with no second response', () => {
    const { open, ask } = limitedTo({ handshakeTimeout: timeout });
    const socket = open();
    ask(socket, false).response.emit('close');
    vi.advanceTimersByTime(timeout);
    expect(socket.destroyed).toBe(false);
    vi.advanceTimersByTime(timeout / 4);
    expect([socket.sent, socket.destroyed]).toEqual(['', true]);
  });

  it('begins anew with the end of a request whose response was sent before', () => {
    const { open, ask } = limitedTo({ handshakeTimeout: timeout });
    const socket = open();
    const { request, response } = ask(socket, false);
    response.emit('close');
    vi.advanceTimersByTime(timeout * 0.9);
    request.complete = true;
    vi.advanceTimersByTime(timeout);
    expect(socket.destroyed).toBe(false);
    vi.advanceTimersByTime(timeout / 2);
    expect([socket.sent, socket.destroyed]).toEqual(['', true]);
  });

  it('ends a connection that is kept alive for nothing without a response, but not before keepAliveTimeout', () => {
    const { server, open, ask } = limitedTo({ handshakeTimeout: timeout });
    server.keepAliveTimeout = timeout * 3;
    const socket = open();
    ask(socket).response.emit('close');
    vi.advanceTimersByTime(timeout * 3);
    expect(socket.destroyed).toBe(false);
    vi.advanceTimersByTime(timeout / 4);
    expect([socket.sent, socket.destroyed]).toEqual(['', true]);
  });

  it('begins anew with the next request on a connection that was kept alive', () => {
    const { open, ask } = limitedTo({ handshakeTimeout: timeout });
    const socket = open();
    ask(socket).response.emit('close');
    vi.advanceTimersByTime(timeout * 0.9);
    socket.bytesRead += 10;
    vi.advanceTimersByTime(timeout);
    expect([socket.sent, socket.destroyed]).toEqual(['', false]);
    vi.advanceTimersByTime(timeout / 2);
    expect(socket.sent).toBe(answer408);
  });

  it('may change while connections wait', () => {
    let handshakeTimeout = timeout;
    const { open } = limitedTo(() => ({ handshakeTimeout }));
    const socket = open();
    handshakeTimeout = 0;
    vi.advanceTimersByTime(timeout * 20);
    expect([socket.destroyed, vi.getTimerCount()]).toEqual([false, 0]);
  });
});

describe('a server that closes', () => {
  it('ends at once the connections that have sent nothing, or nothing after a response', () => {
    const { unasked, open, ask, reached } = limitedTo({});
    const [silent, half, answered, kept] = [open(), open(), open(), open()];
    half.bytesRead = 10;
    ask(answered);
    ask(kept).response.emit('close');
    unasked.close();
    expect([silent, half, answered, kept].map(({ destroyed }) => destroyed)).toEqual([true, false, false, true]);
    expect(reached).toEqual([]);
  });

  it('ends a connection after its response, which says so', () => {
    const { unasked, open, ask } = limitedTo({});
    const [early, late] = [open(), open()];
    late.bytesRead = 10;
    const first = ask(early);
    unasked.close();
    const second = ask(late);
    expect(second.response.shouldKeepAlive).toBe(false);
    first.response.emit('close');
    second.response.emit('close');
    expect([early.writableEnded, late.writableEnded]).toEqual([true, true]);
  });

  it('ends the rest after closeTimeout, except those that the application is answering', () => {
    const { unasked, open, ask, leaveUnread, reached } = limitedTo({});
    const [half, body, unread, answered, tunnel] = [open(), open(), open(), open(), open()];
    half.bytesRead = 10;
    ask(body, false).response.emit('close');
    leaveUnread(unread);
    ask(answered);
    tunnel.bytesRead = 10;
    tunnel.parser = null;
    unasked.close();
    unasked.endAll();
    expect([half.sent.slice(0, 12), body.sent, body.destroyed]).toEqual(['HTTP/1.1 408', '', true]);
    expect([answered.writableEnded, tunnel.writableEnded]).toEqual([false, false]);
    expect([unread.sent, unread.destroyed]).toEqual(['', true]);
    expect(reached).toEqual([half, body, unread].map((socket) => ({ limit: 'closeTimeout', value: 1000, socket })));
  });

  it('destroys a connection that is injected later', () => {
    const { unasked, open } = limitedTo({});
    unasked.close();
    expect([open().destroyed, unasked.size]).toEqual([true, 0]);
  });
});

describe('input that is no request', () => {
  it.each([
    ['HPE_HEADER_OVERFLOW', 431],
    ['HPE_CHUNK_EXTENSIONS_OVERFLOW', 413],
    ['ERR_HTTP_REQUEST_TIMEOUT', 408],
    ['HPE_INVALID_METHOD', 400],
    [undefined, 400],
  ])('with the error %s is answered once with %d', (code, status) => {
    const { server, unasked, open, reached } = limitedTo({});
    const socket = open();
    for (let i = 0; i < 2; i++) server.emit('clientError', Object.assign(new Error(), { code }), socket);
    expect(socket.sent).toBe(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\n\r\n`);
    expect(unasked.size).toBe(0);
    expect(reached.map(({ limit }) => limit)).toEqual(code === 'HPE_HEADER_OVERFLOW' ? ['maxHeaderSize'] : []);
  });

  it('behind a request that is being answered ends the connection without a response', () => {
    const { server, open, ask } = limitedTo({});
    const socket = open();
    ask(socket);
    server.emit('clientError', new Error(), socket);
    expect([socket.sent, socket.destroyed]).toEqual(['', true]);
  });

  it('is left to the listener of a program', () => {
    const { server, open } = limitedTo({});
    const socket = open();
    server.on('clientError', (_error, given) => given.end('mine'));
    server.emit('clientError', new Error(), socket);
    expect(socket.sent).toBe('mine');
  });
});
