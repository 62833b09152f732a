import { Duplex } from 'node:stream';
import { setImmediate as immediate } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { Connection } from '../../src/connection/connection.ts';
import { PreparedMessage } from '../../src/message/prepared-message.ts';
import { deflatesOnThreadPool, maxDeflatedAtOnce, SendQueue } from '../../src/transport/send-queue.ts';
import { TransportSettings } from '../../src/transport/transport-settings.ts';
import { noTakeover } from '../support/deflating.ts';
import { fromServer } from '../support/from-client.ts';
import { captureUncaught } from '../support/uncaught.ts';
import { until } from '../support/until.ts';

/** A queue of a server, what it has called, and the octets that were written. Writes are answered at once. */
function sender(deflates = false) {
  const log: string[] = [];
  const octets: Buffer[] = [];
  const stream = new Duplex({ read() {}, write() {} });
  const settings = new TransportSettings({
    role: 'server',
    ...(deflates && { deflate: { agreement: noTakeover } }),
  });
  const connection = new Connection(settings, {
    message: () => {},
    ping: () => {},
    pong: () => {},
    closeReceived: () => {},
    failure: () => {},
  });
  const queue = new SendQueue({
    stream,
    connection,
    queueStarted: (started) => log.push(started === queue ? 'started' : 'another'),
    queueEmptied: () => log.push('emptied'),
    sendFailed: (error) => log.push(`failed: ${error.message}`),
    written: (pending) => {
      octets.push(connection.takeOutgoing());
      pending?.runInAsyncScope(pending.callback);
    },
  });
  /** A callback that logs its name, and the error. */
  const told = (name: string) => (error?: Error) => log.push(error === undefined ? name : `${name}: ${error.message}`);
  return { queue, stream, connection, log, octets, told };
}

/** A Blob that is read when the test says so. */
function slowBlob(text: string): { blob: Blob; read(): void; fail(error: unknown): void } {
  const blob = new Blob([text]);
  let [read, fail]: [() => void, (error: unknown) => void] = [() => {}, () => {}];
  blob.arrayBuffer = () =>
    new Promise((resolve, reject) => {
      read = () => resolve(new TextEncoder().encode(text).buffer as ArrayBuffer);
      fail = reject;
    });
  return { blob, read: () => read(), fail: (error) => fail(error) };
}

describe('queued sends', () => {
  test('leave in order behind a Blob that is read, with their callbacks, and the queue is used once', async () => {
    const { queue, log, octets, told } = sender();
    const { blob, read } = slowBlob('blob');
    expect(log).toEqual([]);
    queue.sendBlob(blob, true, true, false, true, told('blob'));
    const data = Buffer.from('data');
    queue.send(data, false, true, false, true, told('data'));
    data.fill(0);
    queue.sendControl('ping', Buffer.from('p'), false, told('ping'));
    queue.sendPrepared(new PreparedMessage('many'), null, told('many'));
    queue.sendUnfragmented(new PreparedMessage('alone'), false, told('alone'));
    queue.sendRaw([fromServer(1, 'raw')], told('raw'));
    queue.sendBlobControl('pong', new Blob(['q']), false, told('pong'));
    expect([log, queue.octets]).toEqual([['started'], 4 + 4 + 1 + 4 + 5 + 5 + 1]);
    read();
    await until(() => log.includes('emptied'));
    expect(log).toEqual(['started', 'blob', 'data', 'ping', 'many', 'alone', 'raw', 'pong', 'emptied']);
    expect(Buffer.concat(octets)).toEqual(
      Buffer.concat([
        fromServer(2, 'blob'),
        fromServer(1, 'data'),
        fromServer(9, 'p'),
        fromServer(1, 'many'),
        fromServer(1, 'alone'),
        fromServer(1, 'raw'),
        fromServer(10, 'q'),
      ]),
    );
    expect(queue.octets).toBe(0);
  });

  test('fail with what was waited for if the stream can no longer be written to', async () => {
    const { queue, stream, log, told } = sender();
    const { blob, read } = slowBlob('blob');
    queue.sendBlob(blob, true, true, false, true, told('blob'));
    stream.destroy();
    read();
    await until(() => log.includes('emptied'));
    expect(log).toEqual(['started', 'blob: The socket was closed while the blob was being read', 'emptied']);
  });

  test('do not stop if a job throws', async () => {
    using uncaught = captureUncaught();
    const { queue, log, told } = sender();
    queue.sendBlob(new Blob(['blob']), true, true, false, true);
    queue.enqueue(0, () => {
      throw new Error('thrown');
    });
    queue.send('next', false, true, false, true, told('next'));
    await until(() => log.includes('emptied'));
    expect(log).toEqual(['started', 'next', 'emptied']);
    expect(uncaught.exceptions.map(({ message }) => message)).toEqual(['thrown']);
  });

  test('report to their callback that the connection takes no more messages', async () => {
    const { queue, connection, log, told } = sender();
    queue.sendBlob(new Blob(['blob']), true, true, false, true, told('blob'));
    connection.close(1000);
    await until(() => log.includes('emptied'));
    expect(log).toEqual([
      'started',
      expect.stringMatching(/^blob: Nothing can be sent in state "closeSent"/),
      'emptied',
    ]);
  });

  test('are not begun for data whose length is not that of its octets', () => {
    const { queue, log } = sender();
    const data = Buffer.from('four');
    Object.defineProperty(data, 'length', { value: 2 });
    expect(() => queue.send(data, true, true, false, true)).toThrow();
    expect([log, queue.octets]).toEqual([[], 0]);
  });
});

describe('a message that cannot be sent', () => {
  test('fails the connection, because the peer could not detect that it was left out', async () => {
    const { queue, log, told } = sender();
    const { blob, fail } = slowBlob('blob');
    queue.sendBlob(blob, true, true, false, true, told('blob'));
    fail('no error');
    await until(() => log.includes('emptied'));
    expect(log).toEqual([
      'started',
      'blob: The Blob could not be read',
      'failed: The Blob could not be read',
      'emptied',
    ]);
  });

  test('fails nothing if the connection has already ended', async () => {
    const { queue, connection, log } = sender();
    const { blob, fail } = slowBlob('blob');
    queue.sendBlob(blob, true, true, false, true);
    connection.receiveEnd();
    fail(new Error('late'));
    await until(() => log.includes('emptied'));
    expect(log).toEqual(['started', 'emptied']);
  });

  test('is only reported to its callback if a fragmented message is being sent', async () => {
    const { queue, connection, log, told } = sender();
    connection.send('begun', false, false);
    queue.sendUnfragmented(new PreparedMessage('whole'), false, told('whole'));
    await immediate();
    expect(log).toEqual(['started', expect.stringMatching(/^whole: A fragmented message/), 'emptied']);
  });
});

describe('compression on the thread pool', () => {
  test('begins above 16 KiB', () => {
    const { connection } = sender(true);
    const sizes = [maxDeflatedAtOnce, maxDeflatedAtOnce + 1];
    expect(sizes.map((size) => deflatesOnThreadPool(connection, Buffer.alloc(size), true))).toEqual([false, true]);
    expect(deflatesOnThreadPool(connection, Buffer.alloc(100_000), false)).toBe(false);
    expect(deflatesOnThreadPool(sender().connection, Buffer.alloc(100_000), true)).toBe(false);
  });

  test('that is cancelled fails the send', async () => {
    const { queue, stream, log, octets, told } = sender(true);
    queue.send(Buffer.alloc(100_000), true, true, false, true, told('large'));
    stream.destroy();
    queue.cancel();
    await until(() => log.includes('emptied'));
    expect(log).toEqual(['started', 'large: The socket was closed while data was being compressed', 'emptied']);
    expect(octets).toEqual([]);
  });
});
