import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { EncodedMessage, plainCoding } from '../../../src/goods/fan-out/encoded-message.ts';
import { type BatchSequence, join, Outbox, type Recipient } from '../../../src/goods/fan-out/outbox.ts';

class Listener implements Recipient<string> {
  readonly coding = plainCoding;
  mark: BatchSequence<string> | null = null;
  readonly got: string[] = [];
  pieces: readonly Uint8Array[] = [];
  after: (() => void) | null = null;

  deliver(sequence: BatchSequence<string>): void {
    this.pieces = sequence.pieces;
    for (const { messages } of sequence.batches) {
      for (const { encoded } of messages) this.got.push(Buffer.from(encoded.payload).toString());
    }
    this.after?.();
  }
}

test('each recipient gets its messages in order and in one delivery, and recipients of the same messages share the bytes', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(3), { maxLength: 30 }), (choices) => {
      const listeners = Array.from({ length: 6 }, () => new Listener());
      const audiences = [[0, 1, 2, 3, 4, 5], [0, 1, 2], [5, 3], [4]].map((numbers) =>
        numbers.map((i) => listeners[i]!),
      );
      let flush = (): void => {};
      let scheduled = 0;
      const outbox = new Outbox<string>((callback) => {
        flush = callback;
        scheduled++;
      });
      const expected = listeners.map(() => [] as string[]);
      choices.forEach((choice, i) => {
        outbox.push(audiences[choice]!, 'topic', new EncodedMessage(`m${i}`));
        for (const listener of audiences[choice]!) expected[listeners.indexOf(listener)]!.push(`m${i}`);
      });
      flush();
      expect(scheduled).toBe(choices.length === 0 ? 0 : 1);
      expect(outbox.isEmpty).toBe(true);
      expect(listeners.map(({ got }) => got)).toEqual(expected);
      for (const [a, one] of listeners.entries()) {
        expect(one.mark).toBeNull();
        for (const [b, other] of listeners.entries()) {
          const isSame = JSON.stringify(expected[a]) === JSON.stringify(expected[b]) && expected[a]!.length > 0;
          if (isSame) expect(one.pieces).toBe(other.pieces);
        }
      }
    }),
  );
});

test('messages that are pushed during a delivery leave with the next flush, and none is delivered twice', () => {
  const flushes: (() => void)[] = [];
  const outbox = new Outbox<string>((flush) => void flushes.push(flush));
  const [one, other] = [new Listener(), new Listener()];
  const both = [one, other];
  one.after = () => {
    if (one.got.length === 1) outbox.push(both, 'topic', new EncodedMessage('second'));
    outbox.flush();
  };
  outbox.push([], 'topic', new EncodedMessage('nobody'));
  outbox.push(both, 'topic', new EncodedMessage('first'));
  flushes[0]!();
  expect([one.got, other.got]).toEqual([['first'], ['first']]);
  flushes[1]!();
  flushes[0]!();
  expect([one.got, other.got]).toEqual([
    ['first', 'second'],
    ['first', 'second'],
  ]);
});

test('frames are joined to pieces of at most 65 536 bytes, and a longer frame stays as it is', () => {
  const [small, large] = [Buffer.alloc(1000, 1), Buffer.alloc(70_000, 2)];
  expect(join([])).toEqual([]);
  expect(join([large])[0]).toBe(large);
  const pieces = join([small, small, large, small]);
  expect(pieces.map(({ length }) => length)).toEqual([2000, 70_000, 1000]);
  expect(pieces[1]).toBe(large);
  expect(join(Array(100).fill(small)).map(({ length }) => length)).toEqual([65_000, 35_000]);
});

/** An outbox with one recipient, which is flushed by hand. */
function open() {
  const flushes: (() => void)[] = [];
  const outbox = new Outbox<string>((flush) => void flushes.push(flush));
  const listener = new Listener();
  const audience = [listener];
  const push = (text: string, topic: string | null = 'topic') => outbox.push(audience, topic, new EncodedMessage(text));
  return { flushes, outbox, listener, audience, push };
}

describe('whenEmpty', () => {
  test('calls back at once if nothing is queued', () => {
    const { outbox } = open();
    let calls = 0;
    outbox.whenEmpty(() => calls++);
    expect(calls).toBe(1);
  });

  test('calls back once, behind everything that is queued, also behind what is pushed during the delivery', () => {
    const { outbox, listener, push } = open();
    push('first');
    outbox.whenEmpty(() => listener.got.push('empty'));
    listener.after = () => {
      if (listener.got.length === 1) push('second');
    };
    outbox.flush();
    expect(listener.got).toEqual(['first']);
    outbox.flush();
    expect(listener.got).toEqual(['first', 'second', 'empty']);
    push('third');
    outbox.flush();
    expect(listener.got).toEqual(['first', 'second', 'empty', 'third']);
  });

  test('does not call back inside of a delivery, because other recipients have not got their messages yet', () => {
    const { outbox, listener, push } = open();
    listener.after = () => outbox.whenEmpty(() => listener.got.push('empty'));
    push('first');
    let during: string[] = [];
    const { deliver } = listener;
    listener.deliver = (sequence) => {
      deliver.call(listener, sequence);
      during = [...listener.got];
    };
    outbox.flush();
    expect([during, listener.got]).toEqual([['first'], ['first', 'empty']]);
  });
});

describe('the latest message', () => {
  test('is the one queued last, if it has the same audience and topic', () => {
    const { outbox, audience, push } = open();
    expect(outbox.latest(audience, 'topic')).toBeUndefined();
    push('first');
    push('second');
    expect(Buffer.from(outbox.latest(audience, 'topic')!.encoded.payload).toString()).toBe('second');
    expect(outbox.latest(audience, 'other')).toBeUndefined();
    expect(outbox.latest([...audience], 'topic')).toBeUndefined();
    push('reply', null);
    expect(outbox.latest(audience, 'topic')).toBeUndefined();
  });

  test('can be replaced, with other offsets', () => {
    const { outbox, listener, audience, push } = open();
    push('first');
    push('second');
    outbox.replaceLatest(new EncodedMessage('third'), 2, 5);
    expect(outbox.latest(audience, 'topic')).toMatchObject({ from: 2, to: 5 });
    outbox.flush();
    expect(listener.got).toEqual(['first', 'third']);
  });
});

test('consecutive messages to one audience and topic are one batch, and a flush is scheduled once for all', () => {
  const { flushes, outbox, listener, push } = open();
  let topics: (string | null)[] = [];
  const { deliver } = listener;
  listener.deliver = (sequence) => {
    topics = sequence.batches.map(({ topic }) => topic);
    deliver.call(listener, sequence);
  };
  for (const topic of ['a', 'a', null, 'a', 'b']) push(String(topic), topic);
  expect(flushes).toHaveLength(1);
  outbox.flush();
  expect(topics).toEqual(['a', null, 'a', 'b']);
  expect(listener.got).toEqual(['a', 'a', 'null', 'a', 'b']);
});

test('an error thrown by a recipient does not keep the outbox from flushing again', () => {
  const { outbox, listener, push } = open();
  listener.after = () => {
    throw new Error('mine');
  };
  push('first');
  expect(() => outbox.flush()).toThrow('mine');
  listener.after = null;
  push('second');
  outbox.flush();
  expect(listener.got).toEqual(['first', 'second']);
});
