import type { Socket } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readWire } from '../../fuzz/naive/frames.ts';
import { fromHex } from '../support/hex.ts';
import { connectPair, drain, implementations, listen, type Peers, rawClient } from '../support/peers.ts';
import { captureUncaught } from '../support/uncaught.ts';

const { goodwire } = implementations;
let peers: Peers;

beforeAll(async () => {
  peers = await listen(goodwire, 'tcp', { maxPayload: 1000, maxFragments: 3 });
});
afterAll(() => peers[Symbol.asyncDispose]());

const key = '00 00 00 00';

/** Octets of a client, and the close code of the server's answer. */
const rows: readonly (readonly [number: string, what: string, octets: string, code: number])[] = [
  ['1', 'a length with the highest bit', `82 ff 80 00 00 00 00 00 00 00`, 1009],
  ['1', 'a length of 2^64-1', `82 ff ff ff ff ff ff ff ff ff`, 1009],
  ['1', 'a length of 2^53', `82 ff 00 20 00 00 00 00 00 00`, 1009],
  ['1', 'a length of 2^53-1', `82 ff 00 1f ff ff ff ff ff ff`, 1009],
  ['1', 'a length of 2^31', `82 ff 00 00 00 00 80 00 00 00`, 1009],
  ['2', 'fragments whose lengths pass the limit together', `02 fe 02 58 ${key} ${'00 '.repeat(600)} 80 fe 02 58`, 1009],
  ['4', 'a header that promises more than the limit', '82 fe 03 e9', 1009],
  ['4', 'a reserved opcode with a huge length', '83 ff 00 00 00 00 ff ff ff ff', 1002],
  ['6', 'RSV1 where nothing was agreed on', `c1 81 ${key} 61`, 1002],
  ['6', 'RSV1 on a ping', `c9 80 ${key}`, 1002],
  ['6', 'RSV1 on a continuation', `01 81 ${key} 61 c0 81 ${key} 61`, 1002],
  ['6', 'RSV2', `a1 81 ${key} 61`, 1002],
  ['6', 'RSV3', `91 81 ${key} 61`, 1002],
  ...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map(
    (opcode) => ['7', `the opcode ${opcode}`, `8${opcode.toString(16)} 80 ${key}`, 1002] as const,
  ),
  ['8', 'a frame that is not masked', '81 01 61', 1002],
  ['9', 'a ping of 126 octets', '89 fe 00 7e', 1002],
  ['9', 'a ping in fragments', `09 80 ${key}`, 1002],
  ['9', 'a continuation of nothing', `80 80 ${key}`, 1002],
  ['9', 'a message within a message', `01 80 ${key} 81 80 ${key}`, 1002],
  ['10', 'a fragment more than allowed', `01 80 ${key} 00 80 ${key} 00 80 ${key} 00 80 ${key}`, 1008],
  ['15', 'a close frame of one octet', `88 81 ${key} 03`, 1002],
  ...['0000', '03e7', '03ec', '03ed', '03ee', '03f7', '03f8', '0bb7', '1388', 'ffff'].map(
    (code) => ['15', `the close code ${Number.parseInt(code, 16)}`, `88 82 ${key} ${code}`, 1002] as const,
  ),
  ['15', 'a reason that is not UTF-8', `88 83 ${key} 03 e8 ff`, 1007],
  ['18', 'text that is overlong', `81 82 ${key} c0 af`, 1007],
  ['18', 'text with a surrogate', `81 83 ${key} ed a0 80`, 1007],
  ['18', 'text beyond U+10FFFF', `81 84 ${key} f4 90 80 80`, 1007],
  ['18', 'text that ends within a character', `01 82 ${key} e2 82 80 80 ${key}`, 1007],
  ['18', 'text that cannot go on, with its end still to come', `01 82 ${key} e2 28`, 1007],
  ['25', 'a compressed message where compression was not agreed on', `c1 87 ${key} f2 48 cd c9 c9 07 00`, 1002],
];

/** Returns the code of the received close frame. */
async function closeCodeOf(socket: Socket): Promise<number | undefined> {
  const { frames } = readWire(await drain(socket));
  return frames.find(({ first }) => first === 0x88)?.payload.readUInt16BE(0);
}

test.each(rows)(
  'case %s: a server without an error listener answers %s with a close frame and keeps running: %s',
  async (_number, _what, octets, code) => {
    using uncaught = captureUncaught();
    const socket = await rawClient(peers);
    const closed = closeCodeOf(socket);
    socket.write(fromHex(octets));
    expect(await closed).toBe(code);
    const { client } = await connectPair(peers, goodwire);
    expect(client.readyState).toBe(1);
    client.terminate();
    expect([uncaught.exceptions, uncaught.rejections]).toEqual([[], []]);
  },
);

test('case 8: a client fails the connection on a masked frame', async () => {
  const { client, served } = await connectPair(peers, goodwire);
  const failed = new Promise<Error>((resolve) => client.on('error', resolve));
  (served as unknown as { _socket: Socket })._socket.write(fromHex(`81 81 ${key} 61`));
  expect(await failed).toMatchObject({ code: 'WS_ERR_UNEXPECTED_MASK', closeCode: 1002 });
});
