import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { PendingHandshakes } from '../../src/server/pending-handshakes.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const never = () => expect.unreachable();

describe('a handshake that waits', () => {
  it('counts until it is removed', () => {
    const pending = new PendingHandshakes();
    const [one, two] = [{}, {}];
    pending.add(one, new PassThrough(), 0, never);
    pending.add(two, new PassThrough(), 0, never);
    expect([pending.size, pending.has(one), pending.has(two)]).toEqual([2, true, true]);
    pending.delete(one);
    pending.delete(one);
    expect([pending.size, pending.has(one), pending.has(two)]).toEqual([1, false, true]);
  });

  it('does not count once its client has disconnected, but still waits for the answer', () => {
    const pending = new PendingHandshakes();
    const handshake = {};
    const socket = new PassThrough();
    pending.add(handshake, socket, 0, never);
    socket.emit('close');
    socket.emit('close');
    expect([pending.size, pending.has(handshake)]).toEqual([0, true]);
    pending.delete(handshake);
    expect([pending.size, pending.has(handshake)]).toEqual([0, false]);
  });

  it('leaves no timer and no listener behind when it is removed', () => {
    const pending = new PendingHandshakes();
    const handshake = {};
    const socket = new PassThrough();
    const before = socket.listenerCount('close');
    pending.add(handshake, socket, 20, never);
    expect([vi.getTimerCount(), socket.listenerCount('close')]).toEqual([1, before + 1]);
    pending.delete(handshake);
    expect([vi.getTimerCount(), socket.listenerCount('close')]).toEqual([0, before]);
  });

  it('is removed even if the stream does not give its listener back', () => {
    const pending = new PendingHandshakes();
    const handshake = {};
    const socket = new PassThrough();
    pending.add(handshake, socket, 20, never);
    socket.removeListener = () => {
      throw new Error('mine');
    };
    pending.delete(handshake);
    socket.emit('close');
    expect([pending.size, pending.has(handshake), vi.getTimerCount()]).toEqual([0, false, 0]);
  });
});

describe('the timeout', () => {
  it('expires the handshake once, after it was removed', () => {
    const pending = new PendingHandshakes();
    const handshake = {};
    const expired = vi.fn(() => expect(pending.has(handshake)).toBe(false));
    pending.add(handshake, new PassThrough(), 20, expired);
    vi.advanceTimersByTime(19);
    expect(expired).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(expired).toHaveBeenCalledTimes(1);
    expect(pending.size).toBe(0);
    vi.runAllTimers();
    expect(expired).toHaveBeenCalledTimes(1);
  });

  it.each([0, -1])('is disabled by %d', (timeout) => {
    new PendingHandshakes().add({}, new PassThrough(), timeout, never);
    expect(vi.getTimerCount()).toBe(0);
  });

  it.each([2 ** 31, Number.POSITIVE_INFINITY])('of %d does not expire at once', (timeout) => {
    const expired = vi.fn();
    new PendingHandshakes().add({}, new PassThrough(), timeout, expired);
    vi.advanceTimersByTime(2 ** 31 - 2);
    expect(expired).not.toHaveBeenCalled();
  });
});
