import { describe, expect, test } from 'vitest';
import { octetLength, toOctets } from '../../src/message/send-data.ts';

/** A view that says that it is longer than it is: what is written of it would end in whatever the memory held before. */
class Boaster extends Uint8Array {
  override get length(): number {
    return 1000;
  }
  override subarray(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(0);
  }
}

describe('the octets of what is sent', () => {
  test('are not copied, of a Buffer, a Uint8Array or another view', () => {
    const buffer = Buffer.from('abc');
    expect(toOctets(buffer)).toBe(buffer);
    const octets = new Uint8Array([1, 2, 3]);
    expect(toOctets(octets)).toBe(octets);
    const words = new Uint16Array([0x6261, 0x6463]).subarray(1);
    expect(toOctets(words)).toEqual(Buffer.from('cd'));
    expect(toOctets(words).buffer).toBe(words.buffer);
  });

  test('are those that are there, whatever a subclass says of itself', () => {
    const boaster = new Boaster([97, 98, 99]);
    expect(boaster.length).toBe(1000);
    const octets = toOctets(boaster);
    expect([octets.length, String(octets)]).toEqual([3, 'abc']);
    expect(octets.buffer).toBe(boaster.buffer);
    expect(octetLength(boaster)).toBe(3);
  });
});
