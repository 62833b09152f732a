import { once } from 'node:events';
import { setImmediate as immediate } from 'node:timers/promises';
import { describe, expect, test, vi } from 'vitest';
import { fromHex } from '../support/hex.ts';
import { memoryPair } from '../support/peers.ts';
import { captureUncaught } from '../support/uncaught.ts';
import { until } from '../support/until.ts';

// biome-ignore lint/suspicious/noExplicitAny: what programs pass, whatever its type
type Anything = any;

function shared(): SharedArrayBuffer {
  const buffer = new SharedArrayBuffer(3);
  new Uint8Array(buffer).set([1, 2, 3]);
  return buffer;
}

describe('what ws leaves to chance', () => {
  test('a Buffer that waits behind a Blob may be changed, as may the reason of a close()', async () => {
    const { client, served } = memoryPair();
    const messages: string[] = [];
    served.on('message', (data) => messages.push(String(data)));
    served.on('ping', (data) => messages.push(`ping ${data}`));
    const buffers = ['message', 'ping', 'reason'].map((text) => Buffer.from(text)) as [Buffer, Buffer, Buffer];
    client.send(new Blob(['blob']));
    client.send(buffers[0]);
    client.ping(buffers[1]);
    client.close(1000, buffers[2]);
    for (const buffer of buffers) buffer.fill('?');
    const [, reason] = await once(served, 'close');
    expect(messages).toEqual(['blob', 'message', 'ping ping']);
    expect(String(reason)).toBe('reason');
  });

  test('a SharedArrayBuffer that a client sends is not altered', async () => {
    const { client, served } = memoryPair();
    const buffer = shared();
    for (let i = 0; i < 3; i++) {
      client.send(buffer);
      expect((await once(served, 'message'))[0]).toEqual(fromHex('01 02 03'));
    }
    client.terminate();
  });

  test('no octets of the application are altered, of whatever size, on a client', async () => {
    const { client, served } = memoryPair();
    for (const size of [1, 30, 125, 600, 8192, 8193, 70_000]) {
      const octets = Buffer.alloc(size, 'a');
      client.send(octets);
      expect((await once(served, 'message'))[0]).toEqual(Buffer.alloc(size, 'a'));
      expect(octets.equals(Buffer.alloc(size, 'a'))).toBe(true);
    }
    client.terminate();
  });

  test('a Blob that fails after the connection has ended is no error any more', async () => {
    const { client } = memoryPair();
    let fail = () => {};
    const arrayBuffer = () => new Promise<ArrayBuffer>((_, reject) => (fail = () => reject(new Error('too late'))));
    const callbacks = vi.fn();
    const errors = vi.fn();
    client.on('error', errors);
    client.send(Object.assign(new Blob(['x']), { arrayBuffer }), callbacks);
    client.send('behind', callbacks);
    client.terminate();
    await once(client, 'close');
    fail();
    await until(() => callbacks.mock.calls.length === 2);
    expect(errors).not.toHaveBeenCalled();
    expect(client.readyState).toBe(3);
    expect(callbacks.mock.calls.map(([error]) => error.message)).toEqual([
      'too late',
      'The socket was closed while the blob was being read',
    ]);
  });

  test('the reason for which a Blob cannot be read is the cause of the error, if it is none itself', async () => {
    const { client } = memoryPair();
    const blob = Object.assign(new Blob(['x']), { arrayBuffer: () => Promise.reject('why not') });
    const error = once(client, 'error').catch((thrown: Error) => thrown) as Promise<[Error]>;
    client.send(blob);
    const [{ message, cause }] = await error;
    expect([message, cause]).toEqual(['The Blob could not be read', 'why not']);
  });

  test('a callback that throws behind a Blob stops neither the queue nor is it an unhandled rejection', async () => {
    using uncaught = captureUncaught();
    const { client, served } = memoryPair();
    client.on('error', () => {
      throw new Error('in the listener');
    });
    client.send(new Blob(['a']), () => {
      throw new Error('in the callback');
    });
    client.send(new Blob(['b']));
    const messages: string[] = [];
    served.on('message', (data) => messages.push(String(data)));
    await until(() => messages.length === 2);
    const closed = new Promise((resolve) => client.on('close', resolve));
    client.send(Object.assign(new Blob(['x']), { arrayBuffer: () => Promise.reject(new Error('unreadable')) }), () => {
      throw new Error('in another callback');
    });
    await closed;
    await immediate();
    expect(uncaught.exceptions.map(({ message }) => message)).toEqual([
      'in the callback',
      'in another callback',
      'in the listener',
    ]);
    expect(uncaught.rejections).toEqual([]);
  });

  test('a Blob of another implementation is one, and what merely has its methods is none', async () => {
    const { client, served } = memoryPair();
    const foreign = {
      size: 1,
      type: '',
      stream: () => {},
      arrayBuffer: async () => new Uint8Array([120]).buffer,
      [Symbol.toStringTag]: 'File',
    };
    client.send(foreign as Anything);
    expect(String((await once(served, 'message'))[0])).toBe('x');
    expect(() => client.send({ ...foreign, [Symbol.toStringTag]: 'Other' } as Anything)).toThrow(TypeError);
    client.terminate();
  });

  test('what is no function is no callback', async () => {
    const { client, served } = memoryPair();
    client.send('a', {}, 'callback' as Anything);
    client.ping('b', true, 5 as Anything);
    expect(String((await once(served, 'message'))[0])).toBe('a');
    client.terminate();
  });
});
