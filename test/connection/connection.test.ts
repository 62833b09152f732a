import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { Connection, type ConnectionEvents, type PeerError } from '../../src/connection/connection.ts';
import { type ConnectionOptions, ConnectionSettings } from '../../src/connection/connection-settings.ts';
import type { ConnectionState } from '../../src/connection/connection-state.ts';
import type { Role } from '../../src/frame/frame.ts';
import { ProtocolError } from '../../src/frame/protocol-error.ts';
import { largeSlabSize, smallSlabSize } from '../../src/frame/slab-pool.ts';
import { allocationsOf, memoryInUse } from '../support/allocations.ts';
import { frameSequences, nearlyFrames, sentOctets, vectors } from '../support/frames.ts';
import { fromHex, toHex } from '../support/hex.ts';
import {
  type Cut,
  cutOctets,
  cuts,
  everyCut,
  exampleKey,
  naiveFrame,
  naiveHeader,
  sampleOctets,
} from '../support/octets.ts';

/** Connection that records each event as a line. A client masks with the key of the RFC's examples. */
class End extends Connection {
  readonly told: string[];
  /** Called inside each event. */
  onEvent: (event: string) => void = () => {};

  constructor(options: ConnectionOptions | ConnectionSettings) {
    const told: string[] = [];
    const tell = (event: string) => {
      told.push(event);
      this.onEvent(event);
    };
    const events: ConnectionEvents = {
      message: (data, isBinary) => {
        const payload = Array.isArray(data) ? `[${data.map(toHex).join(' | ')}]` : toHex(data);
        tell(`${isBinary ? 'binary' : 'text'} ${payload}`.trim());
      },
      ping: (payload) => tell(`ping ${toHex(payload)}`.trim()),
      pong: (payload) => tell(`pong ${toHex(payload)}`.trim()),
      closeReceived: (code, reason) => tell(`close ${code} ${reason}`.trim()),
      failure: (error) => tell(`failure ${error.code}`),
    };
    super(options instanceof ConnectionSettings ? options : { nextMaskingKey: () => exampleKey, ...options }, events);
    this.told = told;
  }

  /** Returns the outgoing octets in hex. */
  outgoing(): string {
    return toHex(this.takeOutgoing());
  }

  /** Receives octets in hex, split by a cut. */
  hears(text: string, cut: Cut = 'whole'): void {
    for (const chunk of cutOctets(fromHex(text), cut)) this.receive(chunk);
  }
}

// A client receives unmasked frames, which are readable in a test. Most tests use a client unless both ends matter.
const client = (options: Partial<ConnectionOptions> = {}) => new End({ role: 'client', ...options });
const server = (options: Partial<ConnectionOptions> = {}) => new End({ role: 'server', ...options });

/** Returns a frame as sent by the peer of a role. */
function peerFrame(role: Role, first: number, payload: Uint8Array | string): string {
  return toHex(naiveFrame(first, Buffer.from(payload as string), role === 'server' ? exampleKey : null));
}

/** Returns a frame as sent by a role. */
function ownFrame(role: Role, first: number, payload: Uint8Array | string): string {
  return toHex(naiveFrame(first, Buffer.from(payload as string), role === 'client' ? exampleKey : null));
}

/** Returns the payload of a close frame. */
function closing(code: number, reason = ''): Buffer {
  const payload = Buffer.from(`  ${reason}`);
  payload.writeUInt16BE(code);
  return payload;
}

describe('a Connection receives', () => {
  for (const { title, receiver, octets, frames } of vectors) {
    it.each(everyCut)(`${title}, %s`, (cut) => {
      const end = new End({ role: receiver });
      for (const chunk of cutOctets(octets, cut)) expect(end.receive(chunk)).toBe(chunk.length);
      const name = { 0: 'text', 1: 'text', 2: 'binary', 8: 'close', 9: 'ping', 10: 'pong' }[frames[0]!.opcode];
      expect(end.told).toEqual([`${name} ${toHex(Buffer.concat(frames.map(({ payload }) => payload)))}`]);
    });
  }

  it('messages and control frames in their order, however the octets are divided', () => {
    const stream = '81 01 61 01 01 62 89 01 63 80 01 64 8a 00 82 02 65 66 88 05 03 e8 62 79 65';
    for (const cut of [...everyCut, [4, 5], [1, 1, 9]] as Cut[]) {
      const end = client();
      end.hears(stream, cut);
      expect(end.told).toEqual(['text 61', 'ping 63', 'text 62 64', 'pong', 'binary 65 66', 'close 1000 bye']);
    }
  });

  it('plain Uint8Arrays, also as views into larger memory', () => {
    const memory = new Uint8Array([0xff, ...fromHex('81 01 61 82 02 62'), 0xff]);
    const end = client();
    expect(end.receive(memory.subarray(1, -1))).toBe(6);
    expect(end.receive(Uint8Array.of(0x63))).toBe(1);
    expect(end.told).toEqual(['text 61', 'binary 62 63']);
  });

  it('from the given offset on', () => {
    const end = client();
    expect(end.receive(fromHex('ff ff 81 01 61'), 2)).toBe(5);
    expect([end.told, end.offset]).toEqual([['text 61'], 5]);
  });

  it('messages as Buffers, or as lists of fragments once that is set', () => {
    const end = client();
    end.keepsFragments = true;
    end.hears('02 01 61 80 01 62 82 01 63 81 01 64');
    end.keepsFragments = false;
    end.hears('02 01 61 80 01 62');
    expect(end.told).toEqual(['binary [61 | 62]', 'binary [63]', 'text 64', 'binary 61 62']);
  });

  it('messages in the new mode from the next one on, also if an event sets it within a chunk', () => {
    const stream = '82 01 61 82 01 62 89 00 02 01 63 80 01 64 82 01 65';
    for (const [asks, expected] of [
      ['binary 61', ['binary 61', 'binary [62]', 'ping', 'binary [63 | 64]', 'binary [65]']],
      ['ping', ['binary 61', 'binary 62', 'ping', 'binary [63 | 64]', 'binary [65]']],
    ] as const) {
      for (const cut of [...everyCut, [4, 3]] as Cut[]) {
        const end = client();
        end.onEvent = (event) => {
          if (event === asks) end.keepsFragments = true;
        };
        end.hears(stream, cut);
        expect(end.told).toEqual(expected);
      }
    }
  });

  it('payloads of pings, pongs and reasons that stay valid if the chunk is reused', () => {
    const kept: Buffer[] = [];
    const connection = new Connection(
      { role: 'client' },
      {
        message: () => {},
        ping: (payload) => kept.push(payload),
        pong: (payload) => kept.push(payload),
        closeReceived: (_code, reason) => kept.push(reason),
        failure: () => {},
      },
    );
    const chunk = fromHex('89 01 61 8a 01 62 88 03 03 e8 63');
    connection.receive(chunk);
    chunk.fill(0);
    expect(kept.map(String)).toEqual(['a', 'b', 'c']);
    expect(toHex(connection.takeOutgoing()).length).toBeGreaterThan(0);
  });

  it('4 MiB in 65 536 fragments of 64 octets, with the default settings', () => {
    const payload = sampleOctets(4_194_304);
    let received: Buffer | undefined;
    const connection = new Connection(
      { role: 'server' },
      {
        message: (data) => {
          received = data as Buffer;
        },
        ping: () => {},
        pong: () => {},
        closeReceived: () => {},
        failure: (error) => {
          throw error;
        },
      },
    );
    for (let i = 0; i < 65_536; i++) {
      const part = payload.subarray(i * 64, i * 64 + 64);
      connection.receive(naiveFrame(i === 0 ? 0x02 : i === 65_535 ? 0x80 : 0x00, part, i));
    }
    expect(received?.equals(payload)).toBe(true);
  });

  it('options for its limits, and refuses invalid ones', () => {
    expect(() => client({ maxPayload: -1 })).toThrow(RangeError);
    const short = client({ maxPayload: 3, maxFragments: 2 });
    short.hears('81 03 61 61 61 01 00 80 00 01 00 00 00 80 00');
    expect(short.told).toEqual(['text 61 61 61', 'text', 'failure WS_ERR_TOO_MANY_BUFFERED_PARTS']);
    const long = client({ maxPayload: 3 });
    long.hears('81 04');
    expect(long.told).toEqual(['failure WS_ERR_UNSUPPORTED_MESSAGE_LENGTH']);
    const unchecked = client({ skipUTF8Validation: true });
    unchecked.hears('81 01 ff');
    expect(unchecked.told).toEqual(['text ff']);
  });
});

describe('a Connection sends', () => {
  it('text and binary data, masked by a client and not by a server', () => {
    const [asClient, asServer] = [client(), server()];
    for (const end of [asClient, asServer]) {
      end.send('Hello');
      end.send(fromHex('48 65 6c 6c 6f'));
      end.send(fromHex('48 65 6c 6c 6f'), false);
      end.send('Hello', true);
    }
    expect(asClient.outgoing()).toBe(
      ['81', '82', '81', '82'].map((first) => `${first} 85 37 fa 21 3d 7f 9f 4d 51 58`).join(' '),
    );
    expect(asServer.outgoing()).toBe(['81', '82', '81', '82'].map((first) => `${first} 05 48 65 6c 6c 6f`).join(' '));
    expect(asServer.outgoing()).toBe('');
  });

  it('messages in fragments, with control frames between them', () => {
    const end = server();
    end.send('Hel', false, false);
    end.ping(fromHex('01'));
    end.send(fromHex('6c'), true, false);
    end.pong(fromHex('02'));
    end.send('o');
    end.send('a');
    expect(end.outgoing()).toBe('01 03 48 65 6c 89 01 01 00 01 6c 8a 01 02 80 01 6f 81 01 61');
  });

  it('encoded frames, but not within a fragmented message', () => {
    const end = server();
    end.sendEncoded(fromHex('81 01 61 82 01 62'));
    end.send('x', false, false);
    expect(() => end.sendEncoded(fromHex('81 01 61'))).toThrow(/fragmented message.*§5\.4/);
    end.send('', false, true);
    end.sendEncoded(fromHex('81 01 63'));
    expect(end.outgoing()).toBe('81 01 61 82 01 62 01 01 78 80 00 81 01 63');
  });

  it('unmasked on request, as the mask option of ws does', () => {
    const end = client();
    end.send('a', false, true, false);
    end.ping(fromHex('62'), false);
    end.pong(fromHex('63'), false);
    expect(end.outgoing()).toBe('81 01 61 89 01 62 8a 01 63');
  });

  it('pings and pongs of at most 125 octets', () => {
    const end = server();
    end.ping(Buffer.alloc(125));
    end.pong(new Uint8Array(125));
    expect(end.takeOutgoing()).toHaveLength(254);
    const error = new RangeError('The data size must not be greater than 125 bytes');
    expect(() => end.ping(Buffer.alloc(126))).toThrow(error);
    expect(() => end.pong(Buffer.alloc(126))).toThrow(error);
    expect(end.outgoing()).toBe('');
  });

  it('octets of any kind of view, in messages, pings, pongs and reasons, without changing the view', () => {
    // Pool memory is full of 5a, which would show up if it were read.
    const memory = new ArrayBuffer(64);
    const inside = new Uint8Array(memory).fill(0x5a).subarray(7, 12);
    inside.set(Buffer.from('Hello'));
    class Derived extends Uint8Array {}
    const shared = new Uint8Array(new SharedArrayBuffer(8), 2, 5);
    shared.set(inside);
    const grown = new Uint8Array(Reflect.construct(ArrayBuffer, [5, { maxByteLength: 10 }]) as ArrayBuffer);
    grown.set(inside);
    const views: Uint8Array[] = [
      inside,
      Uint8Array.from(inside),
      Buffer.from('Hello'),
      Buffer.alloc(5, 'Hello'),
      Buffer.from(memory, 7, 5),
      Buffer.from(inside).subarray(0, 5),
      new Uint8Array(memory, 7, 5),
      new Uint8Array(new Uint16Array(new Uint8Array([...inside, 0]).buffer).buffer, 0, 5),
      new Derived(inside),
      shared,
      grown,
    ];
    for (const view of views) {
      const end = client();
      end.send(view);
      end.ping(view);
      end.pong(view);
      end.close(1000, view);
      const masked = '7f 9f 4d 51 58';
      expect(end.outgoing()).toBe(
        `82 85 37 fa 21 3d ${masked} 89 85 37 fa 21 3d ${masked} 8a 85 37 fa 21 3d ${masked} ` +
          '88 87 37 fa 21 3d 34 12 69 58 5b 96 4e',
      );
      const plain = server();
      plain.close(1000, view);
      expect(plain.outgoing()).toBe('88 07 03 e8 48 65 6c 6c 6f');
      expect(Buffer.from(view).toString()).toBe('Hello');
    }
    expect(toHex(new Uint8Array(memory)).replaceAll('5a', '').trim()).toBe('48 65 6c 6c 6f');
  });

  it('large messages by reference and in order, and never changes them', () => {
    for (const [end, role] of [
      [client(), 'server'],
      [server(), 'client'],
    ] as const) {
      const payload = sampleOctets(100_000);
      end.send('before');
      end.send(payload);
      end.send('after');
      const sent = end.takeOutgoing();
      expect(payload.equals(sampleOctets(100_000))).toBe(true);
      const other = new End({ role });
      let long: Buffer | undefined;
      other.message = (data) => {
        long = (data as Buffer).length > 100 ? (data as Buffer) : long;
        return true;
      };
      other.receive(sent);
      expect(long?.equals(payload)).toBe(true);
    }
  });
});

describe('a ping', () => {
  it.each(everyCut)('is answered by a pong with the same octets, then emitted, %s', (cut) => {
    const end = server();
    end.hears('89 85 37 fa 21 3d 7f 9f 4d 51 58 89 80 37 fa 21 3d', cut);
    expect(end.outgoing()).toBe('8a 05 48 65 6c 6c 6f 8a 00');
    expect(end.told).toEqual(['ping 48 65 6c 6c 6f', 'ping']);
    const masked = client();
    masked.hears('89 05 48 65 6c 6c 6f', cut);
    expect(masked.outgoing()).toBe('8a 85 37 fa 21 3d 7f 9f 4d 51 58');
  });

  it('of 125 octets is answered by a pong of 125', () => {
    const end = client();
    const payload = sampleOctets(125);
    end.hears(peerFrame('client', 0x89, payload));
    expect(end.outgoing()).toBe(ownFrame('client', 0x8a, payload));
  });

  it('has been answered when the event occurs, and the event can send more', () => {
    const end = server();
    end.onEvent = () => end.send('x');
    end.hears(peerFrame('server', 0x89, 'a'));
    expect(end.outgoing()).toBe('8a 01 61 81 01 78');
  });

  it('may be answered by the owner, before the event, and also after congestion', () => {
    const told: string[] = [];
    const events = {
      message() {},
      pong() {},
      closeReceived() {},
      failure() {},
      ping: (payload: Buffer) => told.push(`ping ${payload}, ${end.outgoingLength} octets to send`),
      answerPing(payload: Buffer): boolean {
        if (String(payload) === 'yours') return false;
        end.pong(Buffer.from(`my ${payload}`));
        return true;
      },
    };
    const end = new Connection({ role: 'client', nextMaskingKey: () => 0 }, events);
    const hears = (payload: string) => end.receive(fromHex(peerFrame('client', 0x89, payload)));
    hears('a');
    hears('yours');
    expect(told).toEqual(['ping a, 10 octets to send', 'ping yours, 21 octets to send']);
    expect(toHex(end.takeOutgoing())).toBe('8a 84 00 00 00 00 6d 79 20 61 8a 85 00 00 00 00 79 6f 75 72 73');
    end.isCongested = true;
    hears('b');
    hears('c');
    end.sendOwedPong();
    expect(toHex(end.takeOutgoing())).toBe('8a 84 00 00 00 00 6d 79 20 63');
  });

  it('whose answer by the owner throws is consumed, and the connection stays valid', () => {
    const events = { message() {}, ping() {}, pong() {}, closeReceived() {}, failure: vi.fn() };
    const answerPing = () => {
      throw new Error('mine');
    };
    const end = new Connection({ role: 'client' }, { ...events, answerPing });
    const octets = fromHex('89 00 81 01 61');
    expect(() => end.receive(octets)).toThrow('mine');
    expect(end.offset).toBe(2);
    expect(end.receive(octets, 2)).toBe(5);
    expect(events.failure).not.toHaveBeenCalled();
  });

  it('is only emitted if autoPong is off', () => {
    const end = client({ autoPong: false });
    end.hears('89 01 61');
    end.isCongested = true;
    end.hears('89 01 62');
    end.sendOwedPong();
    expect([end.outgoing(), end.told]).toEqual(['', ['ping 61', 'ping 62']]);
  });

  it('is not answered after our close frame, but emitted (as ws does)', () => {
    const end = server();
    end.close(1000);
    end.outgoing();
    end.hears(peerFrame('server', 0x89, 'a'));
    expect([end.outgoing(), end.told]).toEqual(['', ['ping 61']]);
  });

  it('is not answered while the connection is congested; afterwards only the latest is answered', () => {
    const end = server();
    end.isCongested = true;
    for (let i = 0; i < 1000; i++) end.hears(peerFrame('server', 0x89, `ping ${i}`));
    expect(end.outgoingLength).toBe(0);
    expect(end.told).toHaveLength(1000);
    end.isCongested = false;
    end.sendOwedPong();
    expect(end.outgoing()).toBe(ownFrame('server', 0x8a, 'ping 999'));
    end.sendOwedPong();
    expect(end.outgoing()).toBe('');
  });

  it.each<[string, (end: End) => void]>([
    ['we closed', (end) => end.close(1000)],
    ['the peer closed', (end) => end.hears('88 00')],
    ['the connection failed', (end) => end.hears('8f 00')],
    ['the stream ended', (end) => end.receiveEnd()],
  ])('not answered during congestion is not answered after %s', (_title, happen) => {
    const end = client();
    end.isCongested = true;
    end.hears('89 01 61');
    happen(end);
    end.outgoing();
    end.sendOwedPong();
    expect(end.outgoing()).toBe('');
  });
});

describe('the closing handshake,', () => {
  it('begun by us, is complete with the answer of the peer', () => {
    const end = server();
    end.close(1000, 'bye');
    expect([end.outgoing(), end.state, end.isOpen, end.isReceiving]).toEqual([
      '88 05 03 e8 62 79 65',
      'closeSent',
      false,
      true,
    ]);
    end.hears(peerFrame('server', 0x88, closing(1000, 'bye')));
    expect([end.outgoing(), end.state, end.isReceiving, end.told]).toEqual(['', 'closed', false, ['close 1000 bye']]);
  });

  it('begun by the peer, is answered with its code and reason, before the event', () => {
    for (const [received, answer, event] of [
      ['88 05 03 e8 62 79 65', '88 85 37 fa 21 3d 34 12 43 44 52', 'close 1000 bye'],
      ['88 02 0f a1', '88 82 37 fa 21 3d 38 5b', 'close 4001'],
      ['88 00', '88 80 37 fa 21 3d', 'close 1005'],
    ] as const) {
      for (const cut of everyCut) {
        const end = client();
        let state: ConnectionState | undefined;
        end.onEvent = () => {
          state = end.state;
        };
        end.hears(received, cut);
        expect([end.outgoing(), end.told, end.state, state]).toEqual([answer, [event], 'closed', 'closed']);
      }
    }
  });

  it('begun by both at once, is complete with both frames, and each end reports the code of the other', () => {
    const [a, b] = [client(), server()];
    a.close(4001, 'a');
    b.close(4002, 'b');
    const [fromA, fromB] = [a.takeOutgoing(), b.takeOutgoing()];
    a.receive(fromB);
    b.receive(fromA);
    expect([a.told, b.told]).toEqual([['close 4002 b'], ['close 4001 a']]);
    expect([a.state, b.state, a.outgoing(), b.outgoing()]).toEqual(['closed', 'closed', '', '']);
  });

  it('delivers messages before the peer’s close frame, and nothing behind it', () => {
    const end = client();
    end.close(1000);
    const chunk = fromHex('81 01 61 8a 01 62 88 02 03 e8 81 01 63 89 00 ff ff');
    expect(end.receive(chunk)).toBe(chunk.length);
    expect(end.receive(fromHex('81 01 64 ff ff'))).toBe(5);
    expect(end.told).toEqual(['text 61', 'pong 62', 'close 1000']);
  });

  it('discards an incomplete message when the close frame arrives', () => {
    const end = client();
    end.hears('01 01 61 88 00 80 01 62');
    expect(end.told).toEqual(['close 1005']);
  });

  it('may begin between the fragments of a message that we send', () => {
    const end = server();
    end.send('a', false, false);
    end.close();
    expect(() => end.send('b')).toThrow(/not open/);
    expect(end.outgoing()).toBe('01 01 61 88 00');
  });

  it('is begun once: no second close frame is ever sent', () => {
    const end = server();
    end.close(1000);
    end.close(1001);
    end.hears(peerFrame('server', 0x88, closing(1000)));
    end.close(1002);
    expect(end.outgoing()).toBe('88 02 03 e8');
  });

  it('leaves our close frame to the owner if that is set, which can still send', () => {
    const end = server();
    end.holdsClose = true;
    end.hears(peerFrame('server', 0x88, closing(4000, 'late')));
    expect([end.outgoing(), end.state, end.told]).toEqual(['', 'closeReceived', ['close 4000 late']]);
    expect([end.isOpen, end.isReceiving]).toEqual([false, false]);
    end.send('a');
    end.ping(fromHex('62'));
    end.pong(fromHex('63'));
    end.sendEncoded(fromHex('82 00'));
    end.echoClose(4000, Buffer.from('late'));
    expect(end.state).toBe('closed');
    expect(end.outgoing()).toBe('81 01 61 89 01 62 8a 01 63 82 00 88 06 0f a0 6c 61 74 65');
    expect(() => end.send('b')).toThrow('Nothing can be sent in state "closed"');
    end.echoClose(4000, Buffer.from('late'));
    expect(end.outgoing()).toBe('');
  });

  it('leaves our close frame to an owner that says so, which can still send, with any code', () => {
    const received: string[] = [];
    const end = new Connection(
      { role: 'server' },
      {
        message() {},
        ping() {},
        pong() {},
        failure() {},
        closeReceived: (code, reason) => received.push(`${code} ${reason}`),
        answersClose: () => true,
      },
    );
    end.receive(fromHex(peerFrame('server', 0x88, closing(4000, 'late'))));
    expect([received, end.state, end.outgoingLength]).toEqual([['4000 late'], 'closeReceived', 0]);
    end.send('a');
    end.close(3000);
    expect(end.state).toBe('closed');
    expect(toHex(end.takeOutgoing())).toBe('81 01 61 88 02 0b b8');
    expect(() => end.send('b')).toThrow('Nothing can be sent in state "closed"');
  });

  it('prevents any sending once the owner no longer holds the close frame', () => {
    const end = client();
    end.holdsClose = true;
    end.hears('88 00');
    end.holdsClose = false;
    expect(() => end.send('a')).toThrow('Nothing can be sent in state "closeReceived"');
    end.echoClose(1005, Buffer.alloc(0));
    expect([end.outgoing(), end.state]).toEqual(['88 80 37 fa 21 3d', 'closed']);
  });

  const allCodes = [...Array.from({ length: 5001 }, (_, code) => code), 65_535];
  const isAllowed = (code: number) =>
    (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);

  it('sends only valid codes, of all from 0 to 5000 and 65535', () => {
    const wrong = allCodes.filter((code) => {
      const end = server();
      if (isAllowed(code)) {
        end.close(code);
        return end.outgoing() !== toHex(naiveFrame(0x88, closing(code))) || end.state !== 'closeSent';
      }
      expect(() => end.close(code)).toThrow(new TypeError('First argument must be a valid error code number'));
      return end.outgoing() !== '' || end.state !== 'open';
    });
    expect(wrong).toEqual([]);
  });

  it('accepts only valid codes, of all from 0 to 5000 and 65535, and fails with 1002 for any other', () => {
    const wrong = allCodes.filter((code) => {
      const end = client();
      end.receive(naiveFrame(0x88, closing(code)));
      const isAccepted = end.told[0] === `close ${code}` && end.state === 'closed';
      const isRefused = end.told[0] === 'failure WS_ERR_INVALID_CLOSE_CODE' && end.state === 'failed';
      const answer = ownFrame('client', 0x88, closing(isAllowed(code) ? code : 1002));
      return end.told.length !== 1 || !(isAllowed(code) ? isAccepted : isRefused) || end.outgoing() !== answer;
    });
    expect(wrong).toEqual([]);
  });

  it('sends reasons of up to 123 octets, counted in UTF-8, and refuses longer ones', () => {
    for (const reason of ['a'.repeat(123), `${'é'.repeat(61)}a`, '€'.repeat(41)]) {
      const end = server();
      end.close(1000, reason);
      expect(end.outgoing()).toBe(ownFrame('server', 0x88, closing(1000, reason)));
    }
    for (const reason of ['a'.repeat(124), 'é'.repeat(62), `${'€'.repeat(41)}a`]) {
      const end = server();
      expect(() => end.close(1000, reason)).toThrow(RangeError);
      expect([end.outgoing(), end.state]).toEqual(['', 'open']);
    }
  });

  it('accepts a reason of 123 octets', () => {
    const end = client();
    end.hears(peerFrame('client', 0x88, closing(1000, '€'.repeat(41))));
    expect(end.told).toEqual([`close 1000 ${'€'.repeat(41)}`]);
  });

  it.each([
    ['of one octet', '88 01 03', 'WS_ERR_INVALID_CONTROL_PAYLOAD_LENGTH', 1002],
    ['of 126 octets', '88 7e 00 7e', 'WS_ERR_INVALID_CONTROL_PAYLOAD_LENGTH', 1002],
    ['in fragments', '08 00', 'WS_ERR_EXPECTED_FIN', 1002],
    ['with a reason that is not UTF-8', '88 04 03 e8 c3 28', 'WS_ERR_INVALID_UTF8', 1007],
    ['with a reason that is cut off within a character', '88 04 03 e8 e2 82', 'WS_ERR_INVALID_UTF8', 1007],
  ])('fails if the close frame is one %s', (_title, received, violation, code) => {
    for (const cut of everyCut) {
      const end = client();
      end.hears(received, cut);
      expect(end.told).toEqual([`failure ${violation}`]);
      expect([end.outgoing(), end.state]).toEqual([ownFrame('client', 0x88, closing(code)), 'failed']);
    }
  });
});

describe('failing the connection', () => {
  const causes: readonly [string, string, string, number][] = [
    ['an RSV bit', 'a1 00', 'WS_ERR_UNEXPECTED_RSV_2_3', 1002],
    ['a masked frame', '81 80', 'WS_ERR_UNEXPECTED_MASK', 1002],
    ['a reserved opcode', '83 00', 'WS_ERR_INVALID_OPCODE', 1002],
    ['text that is not UTF-8', '81 01 ff', 'WS_ERR_INVALID_UTF8', 1007],
    ['text in fragments that is not UTF-8', '01 01 c3 80 01 28', 'WS_ERR_INVALID_UTF8', 1007],
    ['a message too long', '82 7f 00 00 00 00 10 00 00 00', 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH', 1009],
    ['a length that cannot be', '82 7f ff ff ff ff ff ff ff ff', 'WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH', 1009],
    ['too many fragments', '02 00 00 00 00 00 80 00', 'WS_ERR_TOO_MANY_BUFFERED_PARTS', 1008],
  ];

  it.each(causes)(
    'for %s (%s) sends the close code first, then emits the error, and delivers nothing after',
    (_title, broken, code, closeCode) => {
      const prefix = '81 01 61 89 01 62 ';
      const behind = ' 81 01 63 89 00 88 02 03 e8';
      for (const cut of [...everyCut, [7], [8], [9]] as Cut[]) {
        const end = client({ maxFragments: 3 });
        let written = '';
        end.onEvent = (event) => {
          if (event.startsWith('failure')) written = `${end.state} ${end.outgoing()}`;
        };
        end.hears(prefix + broken + behind, cut);
        end.hears(behind, cut);
        expect(end.told).toEqual(['text 61', 'ping 62', `failure ${code}`]);
        expect(written).toBe(`failed ${ownFrame('client', 0x8a, 'b')} ${ownFrame('client', 0x88, closing(closeCode))}`);
        expect([end.outgoing(), end.isOpen, end.isReceiving]).toEqual(['', false, false]);
      }
    },
  );

  it('after our close frame sends no second one', () => {
    const end = client();
    end.close(1000);
    end.outgoing();
    end.hears('a1 00');
    expect([end.outgoing(), end.state, end.told]).toEqual(['', 'failed', ['failure WS_ERR_UNEXPECTED_RSV_2_3']]);
  });

  it('consumes the whole chunk: the rest is ignored', () => {
    const end = client();
    expect(end.receive(fromHex('81 01 61 a1 00 81 01 61'))).toBe(8);
    expect(end.receive(fromHex('81 01 61'))).toBe(3);
    expect(end.told).toHaveLength(2);
  });

  it('by the owner sends the close frame of that error, and emits nothing', () => {
    const error = new ProtocolError('WS_ERR_UNSUPPORTED_MESSAGE_LENGTH');
    const end = server();
    end.fail(error);
    end.fail(error);
    expect([end.outgoing(), end.state, end.told]).toEqual(['88 02 03 f1', 'failed', []]);
  });

  it('by the owner within an event stops the delivery', () => {
    const end = client();
    end.onEvent = () => end.fail(new ProtocolError('WS_ERR_INVALID_UTF8'));
    const chunk = fromHex('81 01 61 81 01 62');
    expect(end.receive(chunk)).toBe(6);
    expect([end.told, end.state]).toEqual([['text 61'], 'failed']);
  });

  it('by the owner while our close frame is held sends one', () => {
    const end = client();
    end.holdsClose = true;
    end.hears('88 00');
    end.fail(new ProtocolError('WS_ERR_INVALID_UTF8'));
    expect([end.outgoing(), end.state]).toEqual([ownFrame('client', 0x88, closing(1007)), 'failed']);
  });

  it('passes the error, with code and close code, to the event', () => {
    let error: PeerError | undefined;
    const connection = new Connection(
      { role: 'client' },
      {
        message: () => {},
        ping: () => {},
        pong: () => {},
        closeReceived: () => {},
        failure: (found) => (error = found),
      },
    );
    connection.receive(fromHex('81 81'));
    expect(error).toBeInstanceOf(ProtocolError);
    expect(error).toMatchObject({ code: 'WS_ERR_UNEXPECTED_MASK', closeCode: 1002, section: '5.1' });
  });
});

describe('in each state', () => {
  /** Actions that lead to each state. */
  const ways: Record<ConnectionState, (end: End) => void> = {
    open: () => {},
    closeSent: (end) => end.close(1000),
    closeReceived: (end) => {
      end.holdsClose = true;
      end.hears('88 02 03 e9');
      end.holdsClose = false;
    },
    closed: (end) => end.hears('88 02 03 e9'),
    failed: (end) => end.hears('a1 00'),
    ended: (end) => end.receiveEnd(),
  };
  const message = '81 01 61';
  const frame = (first: number, payload: Uint8Array | string) => ownFrame('client', first, payload);
  const nothing = (state: ConnectionState): [ConnectionState, string, string[]] => [state, '', []];

  /** Events, and for each state: the next state, the octets sent, and the events reported; or `throws`. */
  type Outcome = 'throws' | [ConnectionState, string, string[]];
  const happenings: Record<string, { act: (end: End) => void; outcome: Record<ConnectionState, Outcome> }> = {
    'a message is sent': {
      act: (end) => end.send('a'),
      outcome: {
        open: ['open', frame(0x81, 'a'), []],
        closeSent: 'throws',
        closeReceived: 'throws',
        closed: 'throws',
        failed: 'throws',
        ended: 'throws',
      },
    },
    'encoded frames are sent': {
      act: (end) => end.sendEncoded(fromHex('82 00')),
      outcome: {
        open: ['open', '82 00', []],
        closeSent: 'throws',
        closeReceived: 'throws',
        closed: 'throws',
        failed: 'throws',
        ended: 'throws',
      },
    },
    'a ping is sent': {
      act: (end) => end.ping(fromHex('61')),
      outcome: {
        open: ['open', frame(0x89, 'a'), []],
        closeSent: 'throws',
        closeReceived: 'throws',
        closed: 'throws',
        failed: 'throws',
        ended: 'throws',
      },
    },
    'a pong is sent': {
      act: (end) => end.pong(fromHex('61')),
      outcome: {
        open: ['open', frame(0x8a, 'a'), []],
        closeSent: 'throws',
        closeReceived: 'throws',
        closed: 'throws',
        failed: 'throws',
        ended: 'throws',
      },
    },
    'we close': {
      act: (end) => end.close(4000),
      outcome: {
        open: ['closeSent', frame(0x88, closing(4000)), []],
        closeSent: nothing('closeSent'),
        closeReceived: ['closed', frame(0x88, closing(4000)), []],
        closed: nothing('closed'),
        failed: nothing('failed'),
        ended: nothing('ended'),
      },
    },
    'a message comes': {
      act: (end) => end.hears(message),
      outcome: {
        open: ['open', '', ['text 61']],
        closeSent: ['closeSent', '', ['text 61']],
        closeReceived: nothing('closeReceived'),
        closed: nothing('closed'),
        failed: nothing('failed'),
        ended: nothing('ended'),
      },
    },
    'a ping comes': {
      act: (end) => end.hears('89 01 61'),
      outcome: {
        open: ['open', frame(0x8a, 'a'), ['ping 61']],
        closeSent: ['closeSent', '', ['ping 61']],
        closeReceived: nothing('closeReceived'),
        closed: nothing('closed'),
        failed: nothing('failed'),
        ended: nothing('ended'),
      },
    },
    'a pong comes': {
      act: (end) => end.hears('8a 01 61'),
      outcome: {
        open: ['open', '', ['pong 61']],
        closeSent: ['closeSent', '', ['pong 61']],
        closeReceived: nothing('closeReceived'),
        closed: nothing('closed'),
        failed: nothing('failed'),
        ended: nothing('ended'),
      },
    },
    'a close frame comes': {
      act: (end) => end.hears('88 02 0f a1'),
      outcome: {
        open: ['closed', frame(0x88, closing(4001)), ['close 4001']],
        closeSent: ['closed', '', ['close 4001']],
        closeReceived: nothing('closeReceived'),
        closed: nothing('closed'),
        failed: nothing('failed'),
        ended: nothing('ended'),
      },
    },
    'a violation comes': {
      act: (end) => end.hears('81 01 ff'),
      outcome: {
        open: ['failed', frame(0x88, closing(1007)), ['failure WS_ERR_INVALID_UTF8']],
        closeSent: ['failed', '', ['failure WS_ERR_INVALID_UTF8']],
        closeReceived: nothing('closeReceived'),
        closed: nothing('closed'),
        failed: nothing('failed'),
        ended: nothing('ended'),
      },
    },
    'the owner fails it': {
      act: (end) => end.fail(new ProtocolError('WS_ERR_TOO_MANY_BUFFERED_PARTS')),
      outcome: {
        open: ['failed', frame(0x88, closing(1008)), []],
        closeSent: nothing('failed'),
        closeReceived: ['failed', frame(0x88, closing(1008)), []],
        closed: nothing('closed'),
        failed: nothing('failed'),
        ended: nothing('ended'),
      },
    },
    'the stream ends': {
      act: (end) => end.receiveEnd(),
      outcome: {
        open: nothing('ended'),
        closeSent: nothing('ended'),
        closeReceived: nothing('ended'),
        closed: nothing('ended'),
        failed: nothing('ended'),
        ended: nothing('ended'),
      },
    },
  };

  for (const [title, { act, outcome }] of Object.entries(happenings)) {
    it.each(Object.keys(ways) as ConnectionState[])(`%s: ${title}`, (state) => {
      const end = client();
      ways[state](end);
      expect(end.state).toBe(state);
      end.outgoing();
      end.told.length = 0;
      const expected = outcome[state];
      if (expected === 'throws') {
        expect(() => act(end)).toThrow(`Nothing can be sent in state "${state}": the connection is not open`);
        expect([end.state, end.outgoing(), end.told]).toEqual(nothing(state));
      } else {
        act(end);
        expect([end.state, end.outgoing(), end.told]).toEqual(expected);
      }
      expect(end.isOpen).toBe(end.state === 'open');
      expect(end.isReceiving).toBe(end.state === 'open' || end.state === 'closeSent');
    });
  }

  it('the arguments of close() are checked, even if nothing is sent', () => {
    for (const reach of Object.values(ways)) {
      const end = client();
      reach(end);
      expect(() => end.close(1005)).toThrow(TypeError);
      expect(() => end.close(1000, 'a'.repeat(124))).toThrow(RangeError);
    }
  });
});

describe('an incomplete message', () => {
  it.each<[string, (end: End) => void]>([
    ['a close frame comes', (end) => end.hears('88 00')],
    ['the connection fails', (end) => end.hears('a1 00')],
    ['the owner fails it', (end) => end.fail(new ProtocolError('WS_ERR_INVALID_UTF8'))],
    ['the stream ends', (end) => end.receiveEnd()],
  ])('is discarded, with its memory, when %s', (_title, happen) => {
    const end = client();
    const before = memoryInUse();
    const begin = (octets: number) => {
      end.receive(naiveHeader(0x02, octets, null));
      for (let i = 0; i < octets; i += 100_000) end.receive(new Uint8Array(100_000));
    };
    begin(20_000_000);
    expect(memoryInUse() - before).toBeGreaterThan(18_000_000);
    happen(end);
    expect(memoryInUse() - before).toBeLessThan(10_000_000);
    expect(end.isOpen).toBe(false);
  });
});

describe('queued data', () => {
  it('counts its payload apart: without framing, before compression, without control frames', () => {
    const end = server();
    const amounts = () => [end.outgoingPayload, end.outgoingLength];
    expect(amounts()).toEqual([0, 0]);
    end.send('é');
    end.send(Buffer.alloc(3), true, false);
    end.ping(Buffer.alloc(5));
    expect(amounts()).toEqual([5, 4 + 5 + 7]);
    end.send(Buffer.alloc(1), true, true);
    end.sendEncoded(fromHex('82 01 00'), 1);
    end.sendRaw(fromHex('82 01 00'));
    end.close();
    expect(amounts()).toEqual([5 + 1 + 1 + 3, 16 + 3 + 3 + 3 + 2]);
    end.takeOutgoing();
    expect(amounts()).toEqual([0, 0]);
    const other = server();
    other.send('abc');
    other.discardOutgoing();
    expect([other.outgoingPayload, other.outgoingLength]).toEqual([0, 0]);
  });

  it('is counted, and discarded when the stream is gone', () => {
    const end = server();
    expect(end.outgoingLength).toBe(0);
    end.send('Hello');
    end.send(sampleOctets(10_000));
    expect(end.outgoingLength).toBe(7 + 10_004);
    end.isCongested = true;
    end.hears(peerFrame('server', 0x89, 'a'));
    end.discardOutgoing();
    end.discardOutgoing();
    end.sendOwedPong();
    expect([end.outgoingLength, end.outgoing()]).toEqual([0, '']);
    end.send('b');
    expect(end.outgoing()).toBe('81 01 62');
  });

  it('has room for many answers inside receive(), and little outside it, where thousands of connections may send at once', () => {
    const end = server();
    const memoryOf = () => {
      const [chunk] = end.writer.take();
      end.releaseWriter();
      return chunk!.buffer.byteLength;
    };
    end.hears(peerFrame('server', 0x89, 'a'));
    expect(memoryOf()).toBe(largeSlabSize);
    end.send('a');
    expect(memoryOf()).toBe(smallSlabSize);
  });

  it('stays if the writer is released before the data was taken', () => {
    const end = server();
    end.releaseWriter();
    end.send('a');
    end.releaseWriter();
    expect(end.outgoing()).toBe('81 01 61');
    end.releaseWriter();
    expect(end.outgoing()).toBe('');
  });
});

describe('Connections that share their settings', () => {
  const settings = () =>
    new ConnectionSettings({ role: 'server', maxPayload: 200_000, nextMaskingKey: () => exampleKey });

  it('have the options of the shared settings', () => {
    const shared = settings();
    const end = new End(shared);
    expect([end.settings, shared.role, shared.autoPong]).toEqual([shared, 'server', true]);
    end.hears(peerFrame('server', 0x81, 'a'));
    end.hears('81 fe ff ff 37 fa 21 3d');
    expect(end.told).toEqual(['text 61']);
    end.receive(naiveFrame(0x81, Buffer.alloc(200_001), exampleKey));
    expect(() => settingsOf(-1)).toThrow(RangeError);
  });
  const settingsOf = (maxPayload: number) => new ConnectionSettings({ role: 'server', maxPayload });

  it('receive and send independently of each other, however the octets are divided', () => {
    const conversation = fc.record({
      frames: fc.oneof({ weight: 4, arbitrary: frameSequences }, { weight: 1, arbitrary: fc.constant(null) }),
      broken: nearlyFrames('server'),
      cut: cuts,
      sends: fc.array(fc.string({ maxLength: 20 }), { maxLength: 4 }),
      keepsFragments: fc.boolean(),
    });
    fc.assert(
      fc.property(
        fc.array(conversation, { minLength: 2, maxLength: 4 }),
        fc.infiniteStream(fc.nat(3)),
        (list, turns) => {
          const shared = settings();
          const run = (options: () => ConstructorParameters<typeof End>[0], interleave: boolean) => {
            const ends = list.map(({ frames, broken, cut, sends, keepsFragments }) => {
              const end = new End(options());
              const sent: string[] = [];
              end.keepsFragments = keepsFragments;
              const stream =
                frames === null ? broken : Buffer.concat(frames.map((frame) => sentOctets(frame, 'server')));
              const steps = cutOctets(stream, cut).map((chunk, i) => () => {
                end.receive(chunk);
                const text = sends[i];
                if (text !== undefined && end.isOpen) end.send(text);
                // Some output stays queued for a while, as with a slow peer.
                if (i % 3 === 2) sent.push(end.outgoing());
              });
              return { end, steps, sent };
            });
            // The ends take turns, or run one after the other.
            while (ends.some(({ steps }) => steps.length > 0)) {
              const left = ends.filter(({ steps }) => steps.length > 0);
              left[interleave ? turns.next().value % left.length : 0]!.steps.shift()!();
            }
            return ends.map(({ end, sent }) => [end.told, end.state, ...sent, end.outgoing()]);
          };
          expect(run(() => shared, true)).toEqual(run(settings, false));
        },
      ),
      { numRuns: 200 },
    );
  });

  it('may receive inside an event of another connection', () => {
    const shared = new ConnectionSettings({ role: 'client' });
    const [outer, inner] = [new End(shared), new End(shared)];
    outer.onEvent = (event) => {
      // First half a message, then its rest and another whole message.
      if (event === 'text 61') inner.hears('01 02 78');
      else inner.hears('79 80 00 81 01 7a');
    };
    outer.hears('81 01 61 81 01 62 01 01 63 80 01 64');
    expect(outer.told).toEqual(['text 61', 'text 62', 'text 63 64']);
    expect(inner.told.slice(0, 2)).toEqual(['text 78 79', 'text 7a']);
  });

  it('never write into chunks of another connection, queued or taken and not released', () => {
    const shared = settings();
    const [a, b, c] = [new End(shared), new End(shared), new End(shared)];
    a.send('from a');
    const kept = a.writer.take();
    b.send('from b');
    expect(String(Buffer.concat(kept).subarray(2))).toBe('from a');
    a.releaseWriter();
    // The writer that a returned is now used by c.
    c.send('from c');
    a.send('again');
    expect(String(c.takeOutgoing().subarray(2))).toBe('from c');
    expect(String(b.takeOutgoing().subarray(2))).toBe('from b');
    expect(String(a.takeOutgoing().subarray(2))).toBe('again');
  });

  it('hold no memory while they have nothing to send and no incomplete message', () => {
    const shared = settings();
    const answer = (end: End) => {
      end.hears(peerFrame('server', 0x89, 'a'));
      end.send('b');
      expect(end.outgoing()).toBe('8a 01 61 81 01 62');
    };
    answer(new End(shared));
    const many = Array.from({ length: 1000 }, () => new End(shared));
    const sizes = allocationsOf(() => many.forEach(answer));
    expect(Math.max(...sizes)).toBeLessThan(smallSlabSize);
  });

  it('are not affected by a connection that failed', () => {
    const shared = new ConnectionSettings({ role: 'client' });
    for (const broken of [
      '81 01 ff',
      'a1 00',
      '01 01 61 81 00',
      '82 7f ff ff ff ff ff ff ff ff',
      '88 01',
      '01 01 c3 80 00',
    ]) {
      for (const cut of everyCut) {
        const failing = new End(shared);
        failing.hears(broken, cut);
        expect(failing.state).toBe('failed');
        const end = new End(shared);
        end.hears('81 01 61 01 01 62 80 01 63', cut);
        expect(end.told).toEqual(['text 61', 'text 62 63']);
      }
    }
  });
});

describe('a suspended Connection', () => {
  const stream = '81 01 61 01 01 62 89 01 63 80 01 64 8a 00 82 00 88 02 03 e8';
  const told = ['text 61', 'ping 63', 'text 62 64', 'pong', 'binary', 'close 1000'];

  it('stops behind the message or control frame, and continues from there', () => {
    const end = client();
    end.isSuspended = true;
    const chunk = fromHex(stream);
    const stops: number[] = [];
    for (let at = 0; at < chunk.length; ) {
      at = end.receive(chunk, at);
      stops.push(at);
    }
    expect(stops).toEqual([3, 9, 12, 14, 16, 20]);
    expect(end.told).toEqual(told);
  });

  it('stops where an event suspends it, within a chunk', () => {
    const end = client();
    end.onEvent = (event) => {
      end.isSuspended = event.startsWith('text');
    };
    const chunk = fromHex(stream);
    expect(end.receive(chunk)).toBe(3);
    end.isSuspended = false;
    expect(end.receive(chunk, 3)).toBe(12);
    expect(end.offset).toBe(12);
    end.isSuspended = false;
    expect(end.receive(chunk, 12)).toBe(20);
    expect(end.told).toEqual(told);
  });

  it('misses nothing, however often it is suspended and however the octets are divided', () => {
    fc.assert(
      fc.property(cuts, fc.array(fc.boolean(), { minLength: 1, maxLength: 8 }), (cut, plan) => {
        const end = client();
        let events = 0;
        end.onEvent = () => {
          end.isSuspended = plan[events++ % plan.length]!;
        };
        for (const chunk of cutOctets(fromHex(stream), cut)) {
          for (let at = 0; at < chunk.length; ) {
            const before = events;
            at = end.receive(chunk, at);
            if (at < chunk.length) expect([end.isSuspended, events > before]).toEqual([true, true]);
          }
        }
        expect(end.told).toEqual(told);
      }),
    );
  });
});

describe('a Connection with a budget of frames', () => {
  const stream = '81 01 61 01 01 62 89 01 63 80 01 64 8a 00 82 00 88 02 03 e8';
  const told = ['text 61', 'ping 63', 'text 62 64', 'pong', 'binary', 'close 1000'];
  /** Ends of the frames, of which the last is a close frame. */
  const ends = [3, 6, 9, 12, 14, 16];

  /** A client whose event `moreFrames` gives the numbers of a list, and then 0. */
  class Budgeted extends End {
    asked = 0;
    constructor(grants: readonly number[]) {
      super({ role: 'client' });
      const events = (this as unknown as { events: ConnectionEvents }).events;
      events.moreFrames = () => grants[this.asked++] ?? 0;
    }
  }

  it('stops behind that number of frames, whole or of a message in fragments, and continues from there', () => {
    for (let budget = 1; budget <= ends.length; budget++) {
      const end = client();
      const chunk = fromHex(stream);
      const stop = end.receive(chunk, 0, budget);
      expect([stop, end.isExhausted]).toEqual([ends[budget - 1], true]);
      end.receive(chunk, stop);
      expect([end.told, end.isExhausted]).toEqual([told, false]);
    }
  });

  it('asks for more, and stops when it gets none', () => {
    const end = new Budgeted([2, 1]);
    expect(end.receive(fromHex(stream), 0, 1)).toBe(ends[3]);
    expect([end.asked, end.isExhausted]).toEqual([3, true]);
  });

  it('is not exhausted if the chunk ends first, and does not ask', () => {
    const end = new Budgeted([]);
    expect(end.receive(fromHex(stream).subarray(0, 14), 0, 6)).toBe(14);
    expect([end.asked, end.isExhausted]).toEqual([0, false]);
  });

  it('receives everything without a budget, whatever its events have', () => {
    const end = new Budgeted([]);
    end.hears(stream);
    expect([end.told, end.asked]).toEqual([told, 0]);
  });

  it('misses nothing, whatever the budgets and the cuts', () => {
    const grants = fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 10 });
    fc.assert(
      fc.property(frameSequences, cuts, fc.integer({ min: 1, max: 4 }), grants, (frames, cut, first, more) => {
        const octets = Buffer.concat(frames.map((frame) => sentOctets(frame, 'server')));
        const whole = server();
        whole.receive(Buffer.from(octets));
        const end = server();
        const events = (end as unknown as { events: ConnectionEvents }).events;
        let asked = 0;
        events.moreFrames = () => {
          asked++;
          return more[asked % (more.length || 1)] ?? 0;
        };
        for (const chunk of cutOctets(octets, cut)) {
          for (let at = 0; at < chunk.length; ) {
            at = end.receive(chunk, at, first);
            if (at < chunk.length) expect(end.isExhausted).toBe(true);
          }
        }
        expect(end.told).toEqual(whole.told);
      }),
    );
  });
});

describe('an event that throws', () => {
  const stream = '81 01 61 01 01 62 89 01 63 80 01 64 8a 00 82 00 88 02 03 e8 81 01 65';
  const told = ['text 61', 'ping 63', 'text 62 64', 'pong', 'binary', 'close 1000'];

  it('leaves receive() with that error, and the rest can be passed again', () => {
    for (const cut of [...everyCut, [2, 3, 4], [7, 4]] as Cut[]) {
      const end = client();
      end.onEvent = (event) => {
        throw new Error(event);
      };
      const thrown: string[] = [];
      for (const chunk of cutOctets(fromHex(stream), cut)) {
        for (let at = 0; at < chunk.length; ) {
          try {
            at = end.receive(chunk, at);
          } catch (error) {
            thrown.push((error as Error).message);
            at = end.offset;
          }
        }
      }
      expect(thrown).toEqual(told);
      expect(end.told).toEqual(told);
      expect(end.state).toBe('closed');
      expect(end.outgoing()).toBe(`${ownFrame('client', 0x8a, 'c')} ${ownFrame('client', 0x88, closing(1000))}`);
    }
  });

  it('of a failed connection is thrown as well, after the close frame was written', () => {
    const end = client();
    end.onEvent = () => {
      throw new Error('thrown by the application');
    };
    expect(() => end.receive(fromHex('a1 00'))).toThrow('thrown by the application');
    expect([end.outgoing(), end.state]).toEqual([ownFrame('client', 0x88, closing(1002)), 'failed']);
    expect(end.receive(fromHex('81 01 61'))).toBe(3);
  });

  it('that is a ProtocolError, after the connection failed, is thrown and fails nothing twice', () => {
    const end = client();
    const error = new ProtocolError('WS_ERR_INVALID_UTF8');
    end.onEvent = () => {
      end.fail(error);
      throw error;
    };
    expect(() => end.receive(fromHex('81 01 61'))).toThrow(error);
    expect([end.outgoing(), end.told]).toEqual([ownFrame('client', 0x88, closing(1007)), ['text 61']]);
  });
});

describe('any octets', () => {
  it('give a Connection messages or a failure, the same however they are divided, and never an error', () => {
    for (const role of ['server', 'client'] as const) {
      fc.assert(
        fc.property(nearlyFrames(role), cuts, fc.boolean(), (stream, cut, closes) => {
          const run = (cut: Cut) => {
            const end = new End({ role, maxPayload: 2000, maxFragments: 5 });
            if (closes) end.close(1000);
            for (const chunk of cutOctets(stream, cut)) {
              if (end.receive(chunk) !== chunk.length) throw new Error('octets were left');
            }
            return [end.told, end.state, end.outgoing()];
          };
          const whole = run('whole');
          expect(run(cut)).toEqual(whole);
          expect((whole[0] as string[]).filter((event) => /^(close|failure)/.test(event)).length).toBeLessThan(2);
        }),
        { numRuns: 300 },
      );
    }
  });
});

describe('a pair of Connections', () => {
  /** Frame in transit in the model: its number of octets, and its effect on the receiver. */
  interface Item {
    readonly size: number;
    readonly kind: 'fragment' | 'message' | 'ping' | 'pong' | 'close' | 'violation';
    readonly event?: string;
    readonly payload?: Buffer;
    readonly code?: number | undefined;
  }

  /** One end in the model. */
  interface Side {
    readonly masks: boolean;
    state: ConnectionState;
    /** Frames in transit to this end, and below the number of received octets of the first one. */
    inbox: Item[];
    come: number;
    events: string[];
    /** Fragmented message that this end is sending. */
    begun: { isBinary: boolean; parts: Buffer[] } | null;
  }
  type Model = [Side, Side];

  interface Real {
    readonly ends: [End, End];
    /** Octets in transit to each end. */
    readonly wires: [Buffer, Buffer];
  }
  type Which = 0 | 1;
  type Step = fc.Command<Model, Real>;

  const sizeOf = (length: number, masks: boolean) =>
    length + (masks ? 4 : 0) + (length < 126 ? 2 : length < 65_536 ? 4 : 10);

  /** Puts a frame of this end on the wire to the other. */
  function put(model: Model, from: Which, payload: Buffer, item: Omit<Item, 'size'>): void {
    model[from === 0 ? 1 : 0].inbox.push({ ...item, size: sizeOf(payload.length, model[from].masks) });
  }

  function putClose(model: Model, from: Which, code: number | undefined, reason: string): void {
    const payload = code === undefined ? Buffer.alloc(0) : closing(code, reason);
    put(model, from, payload, { kind: 'close', event: `close ${code ?? 1005} ${reason}`.trim(), payload, code });
  }

  /** Applies the arrival of a number of octets. */
  function arrive(model: Model, to: Which, octets: number): void {
    const side = model[to];
    side.come += octets;
    while (side.inbox.length > 0 && side.come >= side.inbox[0]!.size) {
      const item = side.inbox.shift()!;
      side.come -= item.size;
      if (side.state !== 'open' && side.state !== 'closeSent') continue;
      if (item.event !== undefined) side.events.push(item.event);
      if (item.kind === 'ping' && side.state === 'open') {
        put(model, to, item.payload!, { kind: 'pong', event: `pong ${toHex(item.payload!)}`.trim() });
      } else if (item.kind === 'close') {
        if (side.state === 'open') {
          putClose(model, to, item.code, String(item.payload!.subarray(2)));
        }
        side.state = 'closed';
      } else if (item.kind === 'violation') {
        if (side.state === 'open') putClose(model, to, 1002, '');
        side.state = 'failed';
      }
    }
  }

  /** Moves the output of the ends to the wires, and compares everything with the model. */
  function compare(model: Model, real: Real): void {
    for (const which of [0, 1] as const) {
      const other = which === 0 ? 1 : 0;
      real.wires[other] = Buffer.concat([real.wires[other], real.ends[which].takeOutgoing()]);
    }
    for (const which of [0, 1] as const) {
      const side = model[which];
      const left = side.inbox.reduce((sum, { size }) => sum + size, 0) - side.come;
      expect(real.ends[which].state).toBe(side.state);
      expect(real.ends[which].told).toEqual(side.events);
      expect(real.wires[which].length).toBe(left);
    }
  }

  const step = (title: string, run: (model: Model, real: Real) => void): Step => ({
    check: () => true,
    run: (model, real) => {
      run(model, real);
      compare(model, real);
    },
    toString: () => title,
  });

  const which = fc.constantFrom<Which>(0, 1);
  const payloads = fc.oneof(
    { weight: 5, arbitrary: fc.string({ unit: 'grapheme', maxLength: 20 }).map((text) => Buffer.from(text)) },
    {
      weight: 1,
      arbitrary: fc.constantFrom(124, 125, 126, 127, 3000, 9000, 70_000).map((length) => Buffer.alloc(length, 'long ')),
    },
  );

  const sends = fc
    .tuple(
      which,
      payloads,
      fc.boolean(),
      fc.boolean(),
      fc.oneof({ weight: 3, arbitrary: fc.constant(true) }, { weight: 2, arbitrary: fc.constant(false) }),
    )
    .map(([from, payload, isBinary, asText, fin]) =>
      step(`${from} sends ${payload.length} octets${fin ? '' : ', more to come'}`, (model, real) => {
        const side = model[from];
        const send = () => real.ends[from].send(asText ? String(payload) : payload, isBinary, fin);
        if (side.state !== 'open') return expect(send).toThrow(/not open/);
        send();
        const begun = side.begun ?? { isBinary, parts: [] };
        begun.parts.push(payload);
        side.begun = fin ? null : begun;
        const event = `${begun.isBinary ? 'binary' : 'text'} ${toHex(Buffer.concat(begun.parts))}`.trim();
        put(model, from, payload, fin ? { kind: 'message', event } : { kind: 'fragment' });
      }),
    );

  const controls = fc
    .tuple(which, fc.uint8Array({ maxLength: 125 }), fc.constantFrom('ping', 'pong'))
    .map(([from, octets, kind]) =>
      step(`${from} sends a ${kind}`, (model, real) => {
        const payload = Buffer.from(octets);
        const send = () => real.ends[from][kind](payload);
        if (model[from].state !== 'open') return expect(send).toThrow(/not open/);
        send();
        put(model, from, payload, { kind, event: `${kind} ${toHex(payload)}`.trim(), payload });
      }),
    );

  const closes = fc
    .tuple(
      which,
      fc.constantFrom(undefined, 1000, 1001, 1014, 3000, 4999),
      fc.string({ unit: 'grapheme', maxLength: 5 }),
    )
    .map(([from, code, text]) =>
      step(`${from} closes with ${code}`, (model, real) => {
        // Enclosed in brackets, because the events trim white space at the ends.
        const reason = code === undefined ? '' : `<${text}>`;
        real.ends[from].close(code, reason);
        if (model[from].state !== 'open') return;
        putClose(model, from, code, reason);
        model[from].state = 'closeSent';
      }),
    );

  const violates = which.map((to) =>
    step(`a frame with RSV3 comes to ${to}`, (model, real) => {
      model[to].inbox.push({ size: 2, kind: 'violation', event: 'failure WS_ERR_UNEXPECTED_RSV_2_3' });
      real.wires[to] = Buffer.concat([real.wires[to], fromHex('91 80')]);
    }),
  );

  const delivers = fc
    .tuple(which, fc.oneof(fc.nat(20), fc.nat(300), fc.constant(1_000_000)), cuts)
    .map(([to, most, cut]) =>
      step(`${to} gets up to ${most} octets`, (model, real) => {
        const part = real.wires[to].subarray(0, most);
        real.wires[to] = real.wires[to].subarray(part.length);
        for (const chunk of cutOctets(part, part.length > 5000 ? 'whole' : cut)) {
          expect(real.ends[to].receive(chunk)).toBe(chunk.length);
        }
        arrive(model, to, part.length);
      }),
    );

  it('behave as a simple model, with any data and division: order kept, one close event each', () => {
    const ends = { closed: 0, failed: 0, open: 0 };
    fc.assert(
      fc.property(
        fc.commands(
          [
            fc.oneof(
              { weight: 6, arbitrary: sends },
              { weight: 3, arbitrary: controls },
              { weight: 8, arbitrary: delivers },
              { weight: 1, arbitrary: closes },
            ),
            delivers,
            fc.oneof({ weight: 12, arbitrary: sends }, { weight: 1, arbitrary: violates }),
          ],
          { maxCommands: 60, size: 'max' },
        ),
        (commands) => {
          const side = (masks: boolean): Side => ({
            masks,
            state: 'open',
            inbox: [],
            come: 0,
            events: [],
            begun: null,
          });
          const model: Model = [side(true), side(false)];
          // Changing keys, as in real connections.
          let key = 1;
          const nextMaskingKey = () => {
            key = (key * 1_664_525 + 1_013_904_223) | 0;
            return key;
          };
          const real: Real = {
            ends: [client({ nextMaskingKey }), server()],
            wires: [Buffer.alloc(0), Buffer.alloc(0)],
          };
          fc.modelRun(() => ({ model, real }), commands);

          // At the end everything arrives.
          while (real.wires[0].length + real.wires[1].length > 0) {
            for (const to of [0, 1] as const) {
              const chunk = Buffer.from(real.wires[to]);
              real.wires[to] = Buffer.alloc(0);
              real.ends[to].receive(chunk);
              arrive(model, to, chunk.length);
            }
            compare(model, real);
          }
          const states = real.ends.map(({ state }) => state);
          for (const { told, state } of real.ends) {
            const finals = told.filter((event) => /^(close|failure)/.test(event));
            expect(finals.length).toBe(state === 'open' || state === 'closeSent' ? 0 : 1);
            if (finals.length > 0) expect(told.at(-1)).toBe(finals[0]);
          }
          if (states.includes('failed')) ends.failed++;
          else if (states.includes('open')) ends.open++;
          else ends.closed++;
          // The ends never close only on one side.
          if (!states.includes('failed')) expect(new Set(states).size).toBe(1);
        },
      ),
      { numRuns: 300 },
    );
    // Otherwise the runs would not cover every kind of ending, and prove little.
    expect(Math.min(...Object.values(ends))).toBeGreaterThan(10);
  });
});

describe('in an event', () => {
  const nothing = { ping() {}, pong() {}, closeReceived() {}, failure() {} };

  it('throwing a ProtocolError is not treated as a violation of the peer', () => {
    const own = new ProtocolError('WS_ERR_INVALID_UTF8');
    const failure = vi.fn();
    const connection = new Connection(
      { role: 'client' },
      {
        ...nothing,
        failure,
        message() {
          throw own;
        },
      },
    );
    expect(() => connection.receive(Buffer.from('8100', 'hex'))).toThrow(own);
    expect(failure).not.toHaveBeenCalled();
    expect(connection.state).toBe('open');
    expect(connection.outgoingLength).toBe(0);
  });

  it('calling receive() again is refused, without other effect', () => {
    const messages: string[] = [];
    const connection: Connection = new Connection(
      { role: 'client' },
      {
        ...nothing,
        message(data) {
          messages.push(String(data));
          expect(() => connection.receive(Buffer.from('810178', 'hex'))).toThrow('inside an event');
        },
      },
    );
    connection.receive(Buffer.from('810161810162', 'hex'));
    expect(messages).toEqual(['a', 'b']);
  });

  it('close() with octets that are not UTF-8 is refused', () => {
    const connection = new Connection({ role: 'client' }, { ...nothing, message() {} });
    expect(() => connection.close(1000, Buffer.from('c3', 'hex'))).toThrow(TypeError);
    expect(connection.state).toBe('open');
  });

  it('sending a received list of fragments works: the list is joined', () => {
    const connection: Connection = new Connection(
      { role: 'client' },
      { ...nothing, message: (data, isBinary) => connection.send(data, isBinary, true, false) },
    );
    connection.keepsFragments = true;
    connection.receive(Buffer.from('020161800162', 'hex'));
    expect(connection.takeOutgoing()).toEqual(Buffer.from('82026162', 'hex'));
  });
});
