import { describe, expect, it } from 'vitest';
import { FrameWriter } from '../../src/frame/frame-writer.ts';
import { writeMessage } from '../../src/message/write-message.ts';
import { fromHex, toHex } from '../support/hex.ts';
import { exampleKey } from '../support/octets.ts';

/** Returns the written octets in hex, of a client or a server. */
function written(masked: boolean, write: (writer: FrameWriter) => void): string {
  const writer = new FrameWriter(masked, () => exampleKey);
  write(writer);
  return toHex(Buffer.concat(writer.take()));
}

describe('writeMessage', () => {
  it('writes a message as one frame of its type', () => {
    expect(
      written(false, (writer) => {
        writeMessage(writer, 'Hello', false, false, true);
        writeMessage(writer, fromHex('48 69'), false, false, true);
        writeMessage(writer, fromHex('00 ff'), true, false, true);
        writeMessage(writer, 'é', true, false, true);
      }),
    ).toBe('81 05 48 65 6c 6c 6f 81 02 48 69 82 02 00 ff 82 02 c3 a9');
  });

  it('writes the fragments of a message as §5.4 requires: the type in the first, FIN in the last', () => {
    expect(
      written(false, (writer) => {
        writeMessage(writer, 'Hel', false, false, false);
        writeMessage(writer, fromHex('6c'), true, true, false);
        writeMessage(writer, 'o', false, true, true);
        writeMessage(writer, fromHex('61'), true, false, false);
        writeMessage(writer, '', false, true, true);
      }),
    ).toBe('01 03 48 65 6c 00 01 6c 80 01 6f 02 01 61 80 00');
  });

  it('masks as the writer does, by default', () => {
    const hello = fromHex('48 65 6c 6c 6f');
    const masked = '85 37 fa 21 3d 7f 9f 4d 51 58';
    for (const [isClient, mask, expected] of [
      [true, undefined, masked],
      [true, true, masked],
      [true, false, '05 48 65 6c 6c 6f'],
      [false, undefined, '05 48 65 6c 6c 6f'],
      [false, true, masked],
    ] as const) {
      expect(
        written(isClient, (writer) => {
          writeMessage(writer, 'Hello', false, false, true, mask);
          writeMessage(writer, hello, true, false, true, mask);
        }),
      ).toBe(`81 ${expected} 82 ${expected}`);
    }
  });
});
