import { EventEmitter } from 'node:events';
import type { IncomingMessage, Server } from 'node:http';
import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { type Sharer, share, unshare, wants } from '../../src/server/shared-server.ts';
import { captureUncaught } from '../support/uncaught.ts';
import { settle } from '../support/until.ts';

type Answer = () => boolean | Promise<boolean>;

/** HTTP server in memory with sharers by name. `ask` emits a request and returns the names of those that got it. */
function shared(answers: Record<string, Answer>) {
  const server = new EventEmitter() as Server;
  let got: string[] = [];
  const sharers = Object.entries(answers).map(([name, shouldHandle]): Sharer => {
    return { shouldHandle, upgrade: () => void got.push(name), handshakeTimeout: () => 0 };
  });
  for (const sharer of sharers) share(server, sharer);
  const ask = (request: object = {}) => {
    got = [];
    server.emit('upgrade', request as IncomingMessage, new PassThrough(), Buffer.alloc(0));
    return got;
  };
  return { server, sharers, ask };
}

const yes = () => true;
const no = () => false;
const failing = () => {
  throw new Error('mine');
};

describe('a request to an HTTP server with several sharers', () => {
  it.each<[string, Record<string, Answer>, string]>([
    ['the first that accepts it', { a: no, b: yes, c: yes }, 'b'],
    ['the first of all if none accepts it', { a: no, b: no }, 'a'],
    ['the only one, without asking', { a: failing }, 'a'],
    ['one whose answer is a promise', { a: no, b: async () => false, c: yes }, 'b'],
    ['one whose answer is an exception', { a: no, b: failing, c: yes }, 'b'],
  ])('goes to %s', (_title, answers, name) => {
    const { server, ask } = shared(answers);
    expect(server.listenerCount('upgrade')).toBe(1);
    expect(ask()).toEqual([name]);
  });

  it.each<[string, object]>([
    [
      'a target that throws',
      {
        get url() {
          return failing();
        },
      },
    ],
    [
      'fields that throw',
      {
        url: 'http://x/',
        get headers() {
          return failing();
        },
      },
    ],
  ])('with %s goes to a server too, which refuses it', (_title, request) => {
    expect(shared({ a: yes }).ask(request)).toEqual(['a']);
  });

  it('goes to those that are left, and to none once all are removed', () => {
    const { server, sharers, ask } = shared({ a: yes, b: yes });
    unshare(server, sharers[0]!);
    unshare(server, sharers[0]!);
    expect(ask()).toEqual(['b']);
    unshare(server, sharers[1]!);
    expect([server.listenerCount('upgrade'), ask()]).toEqual([0, []]);
    unshare(server, sharers[1]!);
    share(server, sharers[0]!);
    expect(ask()).toEqual(['a']);
  });

  it('and the server leave no listener behind once all are removed, also beside others', () => {
    const { server, sharers } = shared({ a: yes });
    const other = () => {};
    server.on('upgrade', other);
    // One in front notes what was written to a socket before the others write to it.
    expect(server.listenerCount('upgrade')).toBe(3);
    server.on('upgrade', other);
    expect(server.listenerCount('upgrade')).toBe(4);
    unshare(server, sharers[0]!);
    expect(server.listeners('upgrade')).toEqual([other, other]);
    expect(server.listenerCount('newListener')).toBe(0);
    share(server, sharers[0]!);
    expect(server.listenerCount('upgrade')).toBe(4);
    unshare(server, sharers[0]!);
    expect([server.listeners('upgrade'), server.listenerCount('newListener')]).toEqual([[other, other], 0]);
  });

  it('goes only to sharers added after the application has removed the listener', () => {
    const { server, sharers, ask } = shared({ a: yes, b: yes });
    server.removeAllListeners('upgrade');
    expect(ask()).toEqual([]);
    share(server, sharers[1]!);
    expect(ask()).toEqual(['b']);
  });
});

describe('wants', () => {
  it.each<[string, Answer, boolean]>([
    ['true', yes, true],
    ['false', no, false],
    ['a promise', async () => false, true],
    ['an exception', failing, true],
  ])('%s: a server handles the request as far as can be known', (_title, shouldHandle, expected) => {
    expect(wants({ shouldHandle }, {} as IncomingMessage)).toBe(expected);
  });

  it('leaves no unhandled rejection', async () => {
    using uncaught = captureUncaught();
    expect(wants({ shouldHandle: () => Promise.reject(new Error('mine')) }, {} as IncomingMessage)).toBe(true);
    await settle();
    expect(uncaught.rejections).toEqual([]);
  });
});
