import fc from 'fast-check';
import { expect, test } from 'vitest';
import { EncodedMessage, plainCoding } from '../../../src/goods/fan-out/encoded-message.ts';
import { type BatchSequence, join, Outbox, type Recipient } from '../../../src/goods/fan-out/outbox.ts';

class Listener implements Recipient<string> {
  readonly coding = plainCoding;
  mark: BatchSequence<string> | null = null;
  readonly got: string[] = [];
  pieces: readonly Uint8Array[] = [];
  after: (() => void) | null = null;

  deliver(bundle: BatchSequence<string>): void {
    this.pieces = bundle.pieces;
    for (const { messages } of bundle.batches) {
      for (const { encoded } of messages) this.got.push(Buffer.from(encoded.payload).toString());
    }
    this.after?.();
  }
}

test('each gets what was put in for it, in order, in one delivery; who gets the same shares the octets', () => {
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

test('what is put in during a delivery leaves with the next flush, and nothing is handed out twice', () => {
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

test('frames are joined, but for those that are large', () => {
  const [small, large] = [Buffer.alloc(1000, 1), Buffer.alloc(70_000, 2)];
  expect(join([])).toEqual([]);
  expect(join([large])[0]).toBe(large);
  const pieces = join([small, small, large, small]);
  expect(pieces.map(({ length }) => length)).toEqual([2000, 70_000, 1000]);
  expect(pieces[1]).toBe(large);
  expect(join(Array(100).fill(small)).map(({ length }) => length)).toEqual([65_000, 35_000]);
});
