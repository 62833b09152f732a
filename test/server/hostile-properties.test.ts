import { Duplex } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { upgrade } from '../../src/server/upgrade.ts';
import { WebSocketServer } from '../../src/server/websocket-server.ts';
import { injectedRequest } from '../support/opening-request.ts';
import { captureUncaught } from '../support/uncaught.ts';
import { settle } from '../support/until.ts';
import { MisbehavingStream } from './misbehaving-stream.ts';

const fail = (): never => {
  throw new Error('the stream is hostile');
};

/** Returns the names of all properties of a stream, inherited ones included, and of those that a socket has besides. */
function namesOf(stream: object): string[] {
  const names = new Set([
    'setTimeout',
    'setNoDelay',
    'bytesWritten',
    'encrypted',
    'authorized',
    '_httpMessage',
    '_handle',
  ]);
  for (let one: object | null = stream; one !== null && one !== Object.prototype; one = Object.getPrototypeOf(one))
    for (const name of Object.getOwnPropertyNames(one)) names.add(name);
  names.delete('constructor');
  // State without which the functions of Node.js themselves throw, and helpers of the tests.
  for (const name of ['_readableState', '_writableState', '_events', 'written', 'whenDestroyed', 'responses'])
    names.delete(name);
  return [...names].sort();
}

const names = namesOf(new MisbehavingStream());

const hostilities: Readonly<Record<string, PropertyDescriptor>> = {
  'throws when it is read': { get: fail },
  'throws when it is called': { value: fail },
  'is undefined': { value: undefined },
  'is null': { value: null },
  'is an object': { value: {} },
};

const cases = [
  ['an accepted request', {}, Buffer.alloc(0)],
  ['an accepted request with data behind it', {}, Buffer.from([0x81, 0x80])],
  ['a refused request', { 'sec-websocket-key': 'x' }, Buffer.alloc(0)],
] as const;

/** True if an exception has passed through a function of src/server/. Node.js itself throws others, on a tick of its own. */
const isOurs = ({ stack = '' }: Error): boolean => /[\\/]src[\\/]server[\\/]/.test(stack);

it('the properties of a stream are found', () => {
  expect(names).toEqual(
    expect.arrayContaining(['destroy', 'end', 'on', 'removeListener', 'unshift', 'writable', 'write']),
  );
  expect(names.length).toBeGreaterThan(60);
});

describe.each(Object.entries(hostilities))('if a property of a stream %s', (_hostility, descriptor) => {
  it.each(names)('handleUpgrade and upgrade() throw nothing: %s', async (name) => {
    using uncaught = captureUncaught();
    const streams: Duplex[] = [];
    const hostile = () => {
      const stream = new MisbehavingStream();
      Object.defineProperty(stream, name, { configurable: true, ...descriptor });
      streams.push(stream);
      return stream;
    };
    for (const [title, headers, head] of cases) {
      const server = new WebSocketServer({ noServer: true, closeTimeout: 1 });
      let accepted = 0;
      const first = hostile();
      expect(() => {
        server.handleUpgrade(injectedRequest(headers, { socket: first }), first, head, (socket) => {
          accepted++;
          socket.on('error', () => {});
        });
      }, title).not.toThrow();
      expect(accepted, title).toBeLessThan(title === 'a refused request' ? 1 : 2);

      const second = hostile();
      const given = upgrade(injectedRequest(headers, { socket: second }), second, head, { closeTimeout: 1 });
      await given.then(
        (socket) => socket.on('error', () => {}),
        (error) => expect(error, title).toBeInstanceOf(Error),
      );
    }
    // Not its own destroy(), which may be the hostile property.
    for (const stream of streams) Duplex.prototype.destroy.call(stream);
    await settle(2);
    expect(uncaught.exceptions.filter(isOurs)).toEqual([]);
    expect(uncaught.rejections).toEqual([]);
  });
});
