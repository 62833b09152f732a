import { describe, expect, it } from 'vitest';
import { Connection } from '../../src/connection/connection.ts';
import { ConnectionSettings } from '../../src/connection/connection-settings.ts';
import { fromHex, toHex } from '../support/hex.ts';

describe('ConnectionSettings', () => {
  it('answer pings by default', () => {
    expect(new ConnectionSettings({ role: 'client' }).autoPong).toBe(true);
    expect(new ConnectionSettings({ role: 'client', autoPong: false }).autoPong).toBe(false);
  });

  it('refuse invalid limits at once, before any connection has them', () => {
    expect(() => new ConnectionSettings({ role: 'server', maxPayload: -1 })).toThrow(
      new RangeError('maxPayload must be a whole number from 0 (no limit) to 2^53-1; got -1'),
    );
    expect(() => new ConnectionSettings({ role: 'server', maxFragments: 0.5 })).toThrow(RangeError);
  });

  it('lend each decoder to one connection at a time, and reuse returned ones', () => {
    const settings = new ConnectionSettings({ role: 'server' });
    const [first, second] = [settings.takeReader(), settings.takeReader()];
    expect(first.frames).not.toBe(second.frames);
    expect(first.messages).not.toBe(second.messages);
    settings.giveReader(first);
    expect(settings.takeReader()).toBe(first);
    expect(settings.takeReader()).not.toBe(first);
  });

  it('keep no reference to a connection in returned decoders', () => {
    const settings = new ConnectionSettings({ role: 'server' });
    const reader = settings.takeReader();
    const connection = { message: () => true };
    reader.messages.sink = connection;
    settings.giveReader(reader);
    expect(reader.messages.sink).not.toBe(connection);
    // The decoders do not deliver messages to the previous connection either.
    expect(reader.messages.frame({ opcode: 2, fin: true, rsv1: false, length: 1 }, fromHex('61'), 0, 1, 0)).toBe(true);
  });

  it('lend each writer to one connection at a time, and reuse returned ones', () => {
    const settings = new ConnectionSettings({ role: 'client', nextMaskingKey: () => 0x01010101 });
    const [first, second] = [settings.takeWriter(), settings.takeWriter()];
    expect(first).not.toBe(second);
    settings.giveWriter(first);
    expect(settings.takeWriter()).toBe(first);
    expect(settings.takeWriter()).not.toBe(first);
    first.write(2, fromHex('00'));
    expect(toHex(Buffer.concat(first.take()))).toBe('82 81 01 01 01 01 01');
  });

  it('leave writers to the garbage collector if enough are kept', () => {
    const settings = new ConnectionSettings({ role: 'server' });
    const given = new Set(Array.from({ length: 10_000 }, () => settings.takeWriter()));
    expect(given.size).toBe(10_000);
    for (const writer of given) settings.giveWriter(writer);
    const taken = new Set(Array.from({ length: 10_000 }, () => settings.takeWriter()));
    const kept = [...taken].filter((writer) => given.has(writer)).length;
    expect(taken.size).toBe(10_000);
    expect(kept).toBeGreaterThan(0);
    expect(kept).toBeLessThan(5000);
  });

  it('create writers that mask for a client, by default with strong keys, and not for a server', () => {
    const written = (role: 'client' | 'server') => {
      const writer = new ConnectionSettings({ role }).takeWriter();
      for (let i = 0; i < 20; i++) writer.write(2, fromHex('61'));
      return Buffer.concat(writer.take());
    };
    expect(toHex(written('server'))).toBe(Array(20).fill('82 01 61').join(' '));
    const masked = written('client');
    expect(masked).toHaveLength(20 * 7);
    expect(new Set(Array.from({ length: 20 }, (_, i) => masked.readInt32LE(i * 7 + 2))).size).toBe(20);
  });
});

describe('settings changed on one connection', () => {
  it.each([
    [{ maxPayload: 6 }, ['abcdef']],
    [{}, ['abcdef']],
    [{ maxPayload: 5 }, []],
  ])('%j apply to the rest of the message being received', (more, expected) => {
    const messages: string[] = [];
    const nothing = () => {};
    const connection = new Connection(
      { role: 'client', maxPayload: 4 },
      {
        message: (data) => messages.push(String(data)),
        ping: nothing,
        pong: nothing,
        closeReceived: nothing,
        failure: nothing,
      },
    );
    connection.receive(Buffer.from('0103616263', 'hex'));
    connection.changeSettings(new ConnectionSettings({ role: 'client', ...more }));
    connection.receive(Buffer.from('8003646566', 'hex'));
    expect(messages).toEqual(expected);
    // A connection between two messages has the settings from the start.
    if (expected.length === 0) return;
    connection.receive(Buffer.from('8106616263646566', 'hex'));
    expect(messages).toEqual(['abcdef', 'abcdef']);
  });
});
