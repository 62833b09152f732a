import { Duplex } from 'node:stream';
import { setImmediate as immediate } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { Connection } from '../../src/connection/connection.ts';
import { TransportSettings } from '../../src/transport/transport-settings.ts';
import { type HeldBackEvents, Undelivered, type UndeliveredHost } from '../../src/transport/undelivered.ts';
import { compressed, deflatedFrame, noTakeover } from '../support/deflating.ts';
import { until } from '../support/until.ts';

/** An Undelivered with a connection, and what it has called. A compressed message of more than 256 KiB makes a delivery pending. */
function receiver() {
  const log: string[] = [];
  const heldBack = ({ hasEnded, hasClosed }: HeldBackEvents) => `${hasEnded ? ' end' : ''}${hasClosed ? ' close' : ''}`;
  const host = {
    stream: new Duplex({ read() {} }),
    isPaused: false,
    failure: (error: Error) => log.push(`failure ${error.message}`),
    runEvent: (deliver: () => void) => deliver(),
    processGuarded: (chunk: Buffer) => log.push(`process ${chunk}`),
    delivered: (events: HeldBackEvents) => log.push(`delivered${heldBack(events)}`),
    deliveryCancelled: (events: HeldBackEvents) => log.push(`cancelled${heldBack(events)}`),
  };
  const connection = new Connection(new TransportSettings({ role: 'server', deflate: { agreement: noTakeover } }), {
    message: (data) => log.push(`message of ${data.length}`),
    ping: () => {},
    pong: () => {},
    closeReceived: () => {},
    failure: () => {},
    inflate: (octets, isBinary, inflater) => undelivered.inflate(octets, isBinary, inflater),
  });
  const undelivered = new Undelivered(Object.assign(host, { connection }) as UndeliveredHost);
  return { undelivered, connection, host, log };
}

/** Made anew for each test, because a connection unmasks octets in place. */
const large = () => compressed(Buffer.alloc(400_000));

describe('octets that are kept', () => {
  test('stay in order: what a chunk has left is put in front of what came meanwhile', () => {
    const { undelivered } = receiver();
    expect([undelivered.isEmpty, undelivered.hasKept]).toEqual([true, false]);
    undelivered.append(Buffer.from('c'));
    undelivered.append(Buffer.from('d'));
    undelivered.putBack(Buffer.from('ab'));
    expect([undelivered.isEmpty, undelivered.hasKept]).toEqual([false, true]);
    expect(undelivered.isPending).toBe(true);
    expect([undelivered.takeChunk(), undelivered.takeChunk()].join(' ')).toBe('ab cd');
    expect([undelivered.hasKept, undelivered.takeChunk()]).toEqual([false, null]);
  });

  test('pause the stream, and are not continued while the owner has paused', () => {
    const { undelivered, connection, host, log } = receiver();
    connection.isSuspended = true;
    undelivered.putBack(Buffer.from('a'));
    expect([host.stream.isPaused(), log]).toEqual([true, []]);
  });

  test('are processed before what the stream still holds', () => {
    const { undelivered, connection, host, log } = receiver();
    connection.isSuspended = true;
    host.stream.push('b');
    undelivered.append(Buffer.from('a'));
    expect([undelivered.deliverNext(), undelivered.deliverNext(), undelivered.deliverNext()]).toEqual([
      true,
      true,
      false,
    ]);
    expect([log, connection.isSuspended]).toEqual([['process a', 'process b'], false]);
  });
});

describe('a pending delivery', () => {
  test('is delivered when the thread pool has its result, and nothing before it', async () => {
    const { undelivered, connection, log } = receiver();
    connection.receive(large());
    undelivered.append(Buffer.from('behind'));
    expect([undelivered.isPending, undelivered.deliverPending(), undelivered.deliverNext()]).toEqual([
      true,
      false,
      false,
    ]);
    await until(() => log.length > 0);
    expect(log).toEqual(['message of 400000', 'delivered']);
    expect([undelivered.isPending, undelivered.hasKept]).toEqual([false, true]);
  });

  test('holds the end and the close of the stream back', async () => {
    const { undelivered, connection, log } = receiver();
    expect([undelivered.holdBackEnd(), undelivered.holdBackClose()]).toEqual([false, false]);
    connection.receive(large());
    expect([undelivered.holdBackEnd(), undelivered.holdBackClose()]).toEqual([true, true]);
    await until(() => log.length > 0);
    expect(log).toEqual(['message of 400000', 'delivered end close']);
  });

  test('that is cancelled takes what was received behind it along, and is never delivered', async () => {
    const { undelivered, connection, log } = receiver();
    connection.receive(large());
    undelivered.append(Buffer.from('behind'));
    undelivered.holdBackClose();
    undelivered.cancelPending();
    undelivered.cancelPending();
    expect([log, undelivered.isEmpty]).toEqual([['cancelled close'], true]);
    // A second message takes its time on the thread pool. The first would have come before it.
    connection.receive(large());
    await until(() => log.length > 1);
    expect(log).toEqual(['cancelled close', 'message of 400000', 'delivered']);
  });

  test('that cannot be inflated fails the connection', async () => {
    const { connection, log } = receiver();
    connection.receive(deflatedFrame(2, Buffer.alloc(300_000, 0xff)));
    await until(() => log.length > 0);
    expect(log).toEqual([expect.stringMatching(/^failure /), 'delivered']);
    expect(connection.state).toBe('failed');
  });
});

test('a connection that has used up its budget yields until the end of the poll phase', async () => {
  const { undelivered, connection, log } = receiver();
  connection.isExhausted = true;
  undelivered.putBack(Buffer.from('a'));
  expect([undelivered.isPending, log]).toEqual([true, []]);
  await immediate();
  expect([undelivered.isPending, log]).toEqual([false, ['delivered']]);
});

test('a chunk for which there is no budget waits in front of the others, and the stream is paused', async () => {
  const { undelivered, host, log } = receiver();
  undelivered.append(Buffer.from('b'));
  undelivered.putBack(Buffer.from('a'));
  expect([host.stream.isPaused(), undelivered.isPending]).toEqual([true, true]);
  await immediate();
  expect(log).toEqual(['delivered']);
  expect([undelivered.takeChunk(), undelivered.takeChunk()].join(' ')).toBe('a b');
});

describe('the end of a stream that came while the owner yielded to others', () => {
  test('waits for resume() if the owner has paused meanwhile, unless pauses are ignored', async () => {
    for (const ignoresPauses of [false, true]) {
      const { undelivered, host, log } = receiver();
      undelivered.putBack(Buffer.from('a'));
      host.isPaused = true;
      undelivered.ignoresPauses = ignoresPauses;
      undelivered.holdBackEnd();
      await immediate();
      expect(log).toEqual(ignoresPauses ? ['delivered end'] : []);
      undelivered.deliverPending();
      expect(log).toEqual(['delivered end']);
    }
  });

  test('is held back by a pause behind it until resume()', () => {
    const { undelivered, log } = receiver();
    undelivered.append(Buffer.from('a'));
    undelivered.holdUntilResume();
    undelivered.holdUntilResume();
    expect(undelivered.holdBackEnd()).toBe(true);
    expect(log).toEqual([]);
    undelivered.deliverPending();
    expect(log).toEqual(['delivered end']);
  });
});
