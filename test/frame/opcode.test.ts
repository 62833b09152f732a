import { describe, expect, it } from 'vitest';
import { isControlOpcode, isKnownOpcode, Opcode } from '../../src/frame/opcode.ts';

const all = Array.from({ length: 16 }, (_, opcode) => opcode);

describe('opcodes', () => {
  it('are the six of §11.8', () => {
    expect(Opcode).toEqual({ continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 });
  });

  it('are known or reserved: 3–7 and 11–15 are reserved', () => {
    expect(all.filter((opcode) => !isKnownOpcode(opcode))).toEqual([3, 4, 5, 6, 7, 11, 12, 13, 14, 15]);
  });

  it('belong to a control frame from 8 on', () => {
    expect(all.filter(isControlOpcode)).toEqual([8, 9, 10, 11, 12, 13, 14, 15]);
  });
});
