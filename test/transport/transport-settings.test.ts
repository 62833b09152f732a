import { expect, test } from 'vitest';
import { maxTimerDelay, TransportSettings } from '../../src/transport/transport-settings.ts';

test('the defaults are those of ws', () => {
  const settings = new TransportSettings({ role: 'server' });
  expect(settings).toMatchObject({ closeTimeout: 30_000, defersEvents: false, concurrencyLimit: 10 });
});

test('a closeTimeout is no longer than a timer can be', () => {
  const settings = new TransportSettings({ role: 'server', closeTimeout: Number.POSITIVE_INFINITY });
  expect(settings.closeTimeout).toBe(maxTimerDelay);
  expect(maxTimerDelay).toBe(2_147_483_647);
});

test('changed settings are another object, with all other options as before', () => {
  const settings = new TransportSettings({ role: 'client', maxPayload: 5, allowSynchronousEvents: false });
  const changed = settings.changed({ closeTimeout: 7 });
  expect(changed).toMatchObject({ role: 'client', closeTimeout: 7, defersEvents: true });
  expect(changed.options).toEqual({ role: 'client', maxPayload: 5, allowSynchronousEvents: false, closeTimeout: 7 });
  expect(settings.closeTimeout).toBe(30_000);
});

test('an invalid limit is refused', () => {
  expect(() => new TransportSettings({ role: 'server' }).changed({ maxPayload: -1 })).toThrow(RangeError);
});
