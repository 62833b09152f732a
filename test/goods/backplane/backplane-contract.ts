import { describe, expect, test } from 'vitest';
import type { Backplane, Published, Supply } from '../../../src/goods/backplane/backplane.ts';

/** One backplane, as two processes use it. */
export interface Plane {
  readonly here: Backplane;
  readonly there: Backplane;
  /** Lets milliseconds pass, for implementations that keep items for a time. */
  wait(milliseconds: number): void | Promise<void>;
  close(): void | Promise<void>;
}

const json = (...items: unknown[]): Supply => ({ kind: 'json', items });
const kept = { size: 3 };

/** Tests that every implementation of `Backplane` must pass. Run them against yours. */
export function backplaneContract(title: string, create: () => Plane | Promise<Plane>): void {
  /** Waits until a condition holds. */
  async function until(isSo: () => boolean): Promise<void> {
    while (!isSo()) await new Promise((resolve) => setImmediate(resolve));
  }

  const run = (name: string, body: (plane: Plane) => Promise<void>) =>
    test(name, async () => {
      const plane = await create();
      try {
        await body(plane);
      } finally {
        await plane.close();
      }
    });

  describe(`the backplane ${title}`, () => {
    run(
      'delivers every supply to all listeners, those of the publisher too, with one count of offsets',
      async (plane) => {
        const [here, there]: Published[][] = [[], []];
        const first = await plane.here.subscribe('n', (published) => here!.push(published));
        const second = await plane.there.subscribe('n', (published) => there!.push(published));
        expect(first.offset).toBe(0);
        expect(second).toEqual(first);
        expect(await plane.here.publish('n', json(1), kept)).toEqual({ epoch: first.epoch, offset: 1 });
        expect(await plane.there.publish('n', json(2, 3), kept)).toEqual({ epoch: first.epoch, offset: 3 });
        await until(() => here!.length === 2 && there!.length === 2);
        for (const list of [here!, there!]) {
          expect(list).toMatchObject([
            { epoch: first.epoch, offset: 1, kind: 'json', items: [1] },
            { epoch: first.epoch, offset: 2, kind: 'json', items: [2, 3] },
          ]);
        }
      },
    );

    run('keeps goods apart, whatever their names are', async (plane) => {
      const names = ['a', 'a/b', '__proto__', 'constructor', 'ä 你好'];
      const heard: string[] = [];
      for (const name of names) {
        await plane.there.subscribe(name, ({ items }) => heard.push(`${name}: ${JSON.stringify(items)}`));
      }
      for (const name of names) expect(await plane.here.publish(name, json(name), kept)).toMatchObject({ offset: 1 });
      await until(() => heard.length === names.length);
      expect(heard.sort()).toEqual(names.map((name) => `${name}: ["${name}"]`).sort());
    });

    run('keeps the latest items in order, for listeners that come later', async (plane) => {
      const { epoch } = await plane.here.subscribe('n', () => {});
      for (const n of [1, 2, 3, 4, 5]) await plane.here.publish('n', json(n), kept);
      expect(await plane.there.subscribe('n', () => {})).toEqual({ epoch, offset: 5 });
      const all = await plane.there.history('n', 3);
      expect(all).toMatchObject([3, 4, 5].map((n) => ({ epoch, offset: n, items: [n] })));
      expect(await plane.there.history('n', 1)).toMatchObject([{ offset: 5 }]);
      expect(await plane.there.history('n', 0)).toEqual([]);
      expect(await plane.there.history('others', 3)).toEqual([]);
    });

    run('keeps nothing with a size of 0, and no item that has expired', async (plane) => {
      await plane.here.subscribe('none', () => {});
      await plane.here.subscribe('short', () => {});
      await plane.here.publish('none', json(1), { size: 0 });
      await plane.here.publish('short', json(1), { size: 5, ttl: 50 });
      await plane.wait(60);
      await plane.here.publish('short', json(2), { size: 5, ttl: 50 });
      expect(await plane.here.history('none', 5)).toEqual([]);
      expect(await plane.here.history('short', 5)).toMatchObject([{ offset: 2 }]);
    });

    run('carries text and bytes unchanged', async (plane) => {
      const heard: Published[] = [];
      await plane.there.subscribe('n', (published) => heard.push(published));
      await plane.here.publish('n', { kind: 'text', items: ['\u0000 "ä"'] }, kept);
      await plane.here.publish('n', { kind: 'bytes', items: [new Uint8Array([0, 255])] }, kept);
      await until(() => heard.length === 2);
      expect(heard[0]).toMatchObject({ kind: 'text', items: ['\u0000 "ä"'] });
      expect(heard[1]!.kind).toBe('bytes');
      expect(Buffer.from(heard[1]!.items[0] as Uint8Array)).toEqual(Buffer.from([0, 255]));
    });

    run(
      'calls a listener no more after unsubscribe, also if that is called twice or for unknown goods',
      async (plane) => {
        const [gone, left]: Published[][] = [[], []];
        const listener = (published: Published) => void gone!.push(published);
        await plane.here.subscribe('n', listener);
        await plane.here.subscribe('n', (published) => left!.push(published));
        await plane.here.unsubscribe('n', listener);
        await plane.here.unsubscribe('n', listener);
        await plane.here.unsubscribe('nowhere', listener);
        await plane.here.publish('n', json(1), kept);
        await until(() => left!.length === 1);
        expect(gone).toEqual([]);
      },
    );

    run('keeps the order for all listeners if one of them publishes', async (plane) => {
      const [first, second]: number[][] = [[], []];
      await plane.here.subscribe('n', ({ offset }) => {
        first!.push(offset);
        if (offset < 3) void plane.here.publish('n', json(offset), kept);
      });
      await plane.here.subscribe('n', ({ offset }) => second!.push(offset));
      await plane.here.publish('n', json(0), kept);
      await until(() => first!.length === 3 && second!.length === 3);
      expect([first, second]).toEqual([
        [1, 2, 3],
        [1, 2, 3],
      ]);
    });
  });
}
