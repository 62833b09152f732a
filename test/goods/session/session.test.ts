import { describe, expect, test } from 'vitest';
import { plainCoding } from '../../../src/goods/fan-out/encoded-message.ts';
import { Outbox } from '../../../src/goods/fan-out/outbox.ts';
import type { Link } from '../../../src/goods/session/link.ts';
import { type RequestReceiver, Session } from '../../../src/goods/session/session.ts';
import { Subscription } from '../../../src/goods/session/subscription.ts';
import type { GoodsStream } from '../../../src/goods/shelf/shelved-goods.ts';
import { Notes } from '../../support/test-market.ts';
import { define, LooseGoods } from '../../support/test-shelf.ts';

/** A link that writes down what is called, and sends nothing. */
class IdleLink implements Link {
  readonly coding = plainCoding;
  readonly calls: string[] = [];
  bufferedAmount = 0;
  send(pieces: readonly Uint8Array[]): void {
    for (const piece of pieces) this.calls.push(`send ${Buffer.from(piece.subarray(2)).toString()}`);
  }
  awaitDrain(): void {
    this.calls.push('awaitDrain');
  }
  ping(): void {
    this.calls.push('ping');
  }
  close(code: number, reason: string): void {
    this.calls.push(`close ${code} ${reason}`);
  }
  terminate(unansweredHeartbeat?: number): void {
    this.calls.push(unansweredHeartbeat === undefined ? 'terminate' : `terminate ${unansweredHeartbeat}`);
  }
}

/** A session without a market. What it calls is written down, and the outbox is flushed by hand. */
function open(receiver: Partial<RequestReceiver> = {}) {
  const link = new IdleLink();
  const outbox = new Outbox<GoodsStream>(() => {});
  const session: Session<string> = new Session(7, 'ada', link, {
    outbox,
    observer: new Notes(),
    highWaterMark: 65_536,
    receiverFor: () => ({ receive: () => {}, ...receiver }),
    closed: (one) => void link.calls.push(`closed ${one.id}`),
    gone: (one) => void link.calls.push(`gone ${one.id}`),
  });
  return { session, outbox, link, calls: link.calls };
}

test('a session has the number and the user that it was given', () => {
  expect(open().session).toMatchObject({ id: 7, user: 'ada', isClosed: false });
});

describe('messages', () => {
  test('go to the receiver, with their length and with what reads them', () => {
    const read: unknown[] = [];
    const { session } = open({ receive: (message, length, parse) => void read.push([length, parse(message)]) });
    session.receive('{"op":"ping","id":1,"a":"ä"}');
    session.receiveText(Buffer.from('{"op":"ping","id":2,"a":"ä"}'));
    session.receiveBytes(Buffer.from('02000000000000000300016eca', 'hex'));
    expect(read).toEqual([
      [28, { op: 'ping', id: 1, a: 'ä' }],
      [29, { op: 'ping', id: 2, a: 'ä' }],
      [13, { op: 'supply-bytes', id: 3, goods: 'n', item: Buffer.from([0xca]) }],
    ]);
  });
});

describe('frames', () => {
  test('leave with the flush, in order', () => {
    const { session, outbox, calls } = open();
    session.send({ op: 'ok', id: 1 });
    session.send({ op: 'idle', goods: 'n' });
    expect(calls).toEqual([]);
    outbox.flush();
    expect(calls).toHaveLength(1);
    expect(calls[0]).toContain('{"op":"ok","id":1}');
    expect(calls[0]).toContain('{"op":"idle","goods":"n"}');
  });

  test('of a closed session are not sent', () => {
    const { session, outbox, calls } = open();
    session.send({ op: 'ok', id: 1 });
    session.close(1000, '');
    outbox.flush();
    expect(calls).toEqual(['closed 7', 'close 1000 ']);
  });
});

describe('the end', () => {
  test('of a session that is closed: once, and its market is told before the link', () => {
    const { session, calls } = open();
    session.close(1008, 'why');
    session.close(1000, '');
    expect([calls, session.isClosed]).toEqual([['closed 7', 'close 1008 why'], true]);
  });

  test('of a session that is closed when sent: behind the queued frames', () => {
    const { session, outbox, calls } = open();
    session.send({ op: 'closing', reason: 'r', retryAfter: 1 });
    session.closeWhenSent(1012, 'r');
    expect(session.isClosed).toBe(false);
    outbox.flush();
    expect(calls.map((call) => call.split(' ')[0])).toEqual(['send', 'closed', 'close']);
  });

  test('of a session that is terminated, also when it was closed before', () => {
    const { session, calls } = open();
    session.close(1000, '');
    session.terminate();
    expect(calls).toEqual(['closed 7', 'close 1000 ', 'terminate']);
  });

  test('of a session whose connection is gone', () => {
    const { session, calls } = open();
    session.end();
    expect(calls).toEqual(['closed 7', 'gone 7']);
  });
});

describe('heartbeats', () => {
  test('end a connection that has not answered two of them', () => {
    const { session, calls } = open();
    expect([1, 2, 3].map(() => session.sendHeartbeat(1000))).toEqual([true, true, false]);
    expect(calls).toEqual(['ping', 'ping', 'closed 7', 'terminate 1000']);
  });

  test('go on as long as there is any sign of life', () => {
    const { session, calls } = open();
    for (let i = 0; i < 5; i++) {
      expect(session.sendHeartbeat(1000)).toBe(true);
      session.noteActivity();
    }
    expect(calls).toEqual(Array(5).fill('ping'));
  });
});

describe('subscriptions', () => {
  test('are found by their key, and decide whether the session holds a stream', () => {
    const { session } = open();
    const { goods } = new LooseGoods(define('n'));
    const subscription = new Subscription('key', '*', undefined, 1);
    session.add(subscription);
    const stream = subscription.join(goods, 'v');
    expect(session.subscriptions.get('key')).toBe(subscription);
    expect([session.holds(stream), session.holds(goods.stream('w'))]).toEqual([true, false]);
    session.remove(subscription);
    expect([session.holds(stream), session.subscriptions.size]).toEqual([false, 0]);
  });
});

describe('a replay', () => {
  function shelvedGoods(tailor?: (item: number) => unknown) {
    const loose = new LooseGoods(define('n', { history: { size: 3 }, ...(tailor && { tailor }) }));
    loose.goods.load({ epoch: 'e', offset: 0 }, []);
    loose.goods.append({ kind: 'json', epoch: 'e', offset: 1, items: [1, 2, 3, 4], time: 0 });
    return loose.goods;
  }
  const offsets = (calls: readonly string[]) =>
    [...calls.join('').matchAll(/"offset":(\d)|"from":(\d)/g)].map(([, offset, from]) => offset ?? `skip ${from}`);

  test('follows the reply: the latest items, or those from an offset on', () => {
    const { session, outbox, calls } = open();
    const stream = shelvedGoods().stream('');
    session.reply({ op: 'ok', id: 1 }, [{ stream, from: null }], 2);
    outbox.flush();
    expect(calls[0]).toContain('"op":"ok"');
    expect(offsets(calls.splice(0))).toEqual(['3', '4']);
    session.replay({ stream, from: 2 }, 99);
    outbox.flush();
    expect(offsets(calls)).toEqual(['2', '3', '4']);
  });

  test('reports items that the variant does not get', () => {
    const { session, outbox, calls } = open();
    const stream = shelvedGoods((item) => (item === 3 ? undefined : item)).stream('');
    session.replay({ stream, from: 2 }, 1);
    outbox.flush();
    expect(offsets(calls)).toEqual(['2', 'skip 3', '4']);
  });

  test('from an offset that the history no longer has reports it as dropped', () => {
    const { session, outbox, calls } = open();
    session.replay({ stream: shelvedGoods().stream(''), from: 1 }, 1);
    // The outbox wakes the session with the next frame.
    session.send({ op: 'ok', id: 1 });
    outbox.flush();
    expect(offsets(calls)).toEqual(['skip 1', '2', '3', '4']);
    expect(calls.join('')).toContain('"to":1,"reason":"dropped"');
  });

  test('ends where tailor takes the goods off the shelf, or closes the session', () => {
    for (const end of ['goods', 'session']) {
      const { session, outbox, calls } = open();
      const goods = shelvedGoods((item) => {
        if (item === 3 && end === 'goods') goods.remove();
        if (item === 3 && end === 'session') session.close(1000, '');
        return item;
      });
      session.replay({ stream: goods.stream(''), from: 2 }, 1);
      outbox.flush();
      expect(offsets(calls), end).toEqual(end === 'goods' ? ['2'] : []);
    }
  });
});
