import { once } from 'node:events';
import { deflateRawSync, constants as zlib } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readWire } from '../../fuzz/naive/frames.ts';
import { memoryInUse } from '../support/allocations.ts';
import { naiveFrame } from '../support/octets.ts';
import { drain, implementations, listen, type Peers, rawClient } from '../support/peers.ts';

const { goodwire } = implementations;
const limit = 1_000_000;
let peers: Peers;

beforeAll(async () => {
  peers = await listen(goodwire, 'tcp', { maxPayload: limit, perMessageDeflate: { threshold: 0 } });
});
afterAll(() => peers[Symbol.asyncDispose]());

const deflated = (octets: Buffer): Buffer =>
  deflateRawSync(octets, { level: 9, finishFlush: zlib.Z_SYNC_FLUSH }).subarray(0, -4);
const extension = 'permessage-deflate; client_max_window_bits';

/** Opens a raw connection with compression. Returns it and the server's end. */
async function compressingClient() {
  const accepted = once(peers.server, 'connection') as Promise<[InstanceType<typeof goodwire.WebSocket>]>;
  const socket = await rawClient(peers, extension);
  const [served] = await accepted;
  return { socket, served };
}

/** Returns the close code with which the server answers frames of a raw client. */
async function answerTo(...frames: Buffer[]): Promise<number | undefined> {
  const { socket } = await compressingClient();
  const octets = drain(socket);
  socket.write(Buffer.concat(frames));
  const { frames: answers } = readWire(await octets);
  return answers.find(({ first }) => first === 0x88)?.payload.readUInt16BE(0);
}

const key = 0x01020304;

describe('over TCP', () => {
  test('case 19: a bomb of 1000:1 is refused with 1009 and costs about the memory of the limit, in one frame and in many', async () => {
    const bomb = deflated(Buffer.alloc(100_000_000));
    expect(bomb.length).toBeLessThan(100_000);
    const before = memoryInUse();
    expect(await answerTo(naiveFrame(0xc2, bomb, key))).toBe(1009);
    const parts: Buffer[] = [naiveFrame(0x42, bomb.subarray(0, 1000), key)];
    for (let at = 1000; at < bomb.length; at += 1000) parts.push(naiveFrame(0x00, bomb.subarray(at, at + 1000), key));
    expect(await answerTo(...parts, naiveFrame(0x80, Buffer.alloc(0), key))).toBe(1009);
    expect(memoryInUse() - before).toBeLessThan(5 * limit);
  });

  test('case 19: a bomb that refers to the previous message is refused, too', async () => {
    const { socket, served } = await compressingClient();
    const lengths: number[] = [];
    served.on('message', (data) => lengths.push((data as Buffer).length));
    const octets = drain(socket);
    const almost = deflated(Buffer.alloc(limit, 7));
    socket.write(
      Buffer.concat([naiveFrame(0xc2, almost, key), naiveFrame(0xc2, deflated(Buffer.alloc(limit + 1, 7)), key)]),
    );
    expect(
      readWire(await octets)
        .frames.at(-1)
        ?.payload.readUInt16BE(0),
    ).toBe(1009);
    expect(lengths).toEqual([limit]);
  });

  test('case 20: a message whose compressed length is within the limit and whose inflated length is not is refused with 1009', async () => {
    expect(await answerTo(naiveFrame(0xc1, deflated(Buffer.alloc(limit + 1, 0x61)), key))).toBe(1009);
  });

  test('case 21: while one client sends many messages just under the limit, another client is served', async () => {
    const { socket, served } = await compressingClient();
    let heard = 0;
    served.on('message', () => heard++);
    const message = naiveFrame(0xc2, deflated(Buffer.alloc(60_000, 1)), key);
    const chunk = Buffer.concat(Array<Buffer>(790).fill(message));
    // All of them may arrive in one event of the socket.
    expect(chunk.length).toBeLessThan(65_536);
    const other = await compressingClient();
    const begun = once(served, 'message');
    socket.write(chunk);
    await begun;
    const answered = once(other.served, 'message');
    other.socket.write(naiveFrame(0x81, Buffer.from('me too'), key));
    await answered;
    expect(heard).toBeLessThan(780);
    for (const one of [socket, other.socket]) one.destroy();
  });

  test.each<[string, Buffer, number]>([
    ['invalid DEFLATE data', Buffer.from('ffffffff', 'hex'), 1007],
    ['data that ends within a block', deflated(Buffer.from('Hello, hello')).subarray(0, 4), 1007],
    ['text that inflates to invalid UTF-8', deflated(Buffer.from('c328', 'hex')), 1007],
  ])('case 22: %s is refused', async (_what, payload, code) => {
    expect(await answerTo(naiveFrame(0xc1, payload, key))).toBe(code);
  });

  test('case 22: an empty compressed message, one of no bytes, and one behind a final block are accepted', async () => {
    const { socket, served } = await compressingClient();
    const got: string[] = [];
    served.on('message', (data) => got.push(String(data)));
    const final = Buffer.concat([deflateRawSync('final '), deflated(Buffer.from('block'))]);
    socket.write(
      Buffer.concat([
        naiveFrame(0xc1, Buffer.of(0), key),
        naiveFrame(0xc1, Buffer.alloc(0), key),
        naiveFrame(0xc1, final, key),
        naiveFrame(0x41, Buffer.alloc(0), key),
        naiveFrame(0x80, deflated(Buffer.from('behind nothing')), key),
        naiveFrame(0x88, Buffer.alloc(0), key),
      ]),
    );
    await once(served, 'close');
    expect(got).toEqual(['', '', 'final block', 'behind nothing']);
    socket.destroy();
  });
});
