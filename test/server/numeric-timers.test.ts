import { expect, test, vi } from 'vitest';
import { PendingHandshakes } from '../../src/server/pending-handshakes.ts';
import { unref } from '../../src/transport/timer.ts';
import { start } from '../support/program.ts';
import { MisbehavingStream } from './misbehaving-stream.ts';

const lines = [
  'good hello',
  'good 1000',
  'later hello',
  'later 1000',
  'deferred hello',
  'deferred 1000',
  'path Unexpected server response: 400',
  'path 1006',
  'version Unexpected server response: 426',
  'version 1006',
  'verifyClient Unexpected server response: 401',
  'verifyClient 1006',
  'unsendable Unexpected server response: 500',
  'unsendable 1006',
  'never Unexpected server response: 503',
  'never 1006',
  'impatient Opening handshake has timed out',
  'impatient 1006',
  'patient hello',
  'patient 1000',
  'upgrade() /yes 3000',
  'upgrade() 403',
  'upgrade() /no 1006',
  'market 1',
  'market 1',
  'market 2',
  'end',
];

test('if timers are numbers and setImmediate is missing, servers, clients and a market work, and the process ends', async () => {
  const { code, stdout, stderr } = await start('test/server/numeric-timers-program.js').exit;
  expect(stdout.trim().split('\n'), stderr).toEqual(lines);
  expect(code).toBe(0);
});

test('a timer is unreferenced only if it is an object with that method', () => {
  const timer = { unref: vi.fn() };
  for (const handle of [timer, {}, 1, 0, '1', undefined]) unref(handle as Parameters<typeof unref>[0]);
  expect(timer.unref).toHaveBeenCalledOnce();
});

test('a pending handshake expires if timers are numbers', async () => {
  const started = setTimeout;
  vi.stubGlobal('setTimeout', (...args: Parameters<typeof setTimeout>) => {
    started(...args);
    return 1;
  });
  const pending = new PendingHandshakes();
  const handshake = {};
  await new Promise<void>((resolve) => pending.add(handshake, new MisbehavingStream(), 1, () => resolve()));
  vi.unstubAllGlobals();
  expect([pending.size, pending.has(handshake)]).toEqual([0, false]);
});
