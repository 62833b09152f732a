import { createHash } from 'node:crypto';
import { Duplex } from 'node:stream';
import { WebSocket } from '../../src/websocket/websocket.ts';
import { cutOctets } from '../../test/support/octets.ts';
import { type Case, choose, demand, type Target } from '../case.ts';
import { mutateCut } from '../mutations/octets.ts';
import { mutateParts } from '../mutations/text.ts';
import { soundFrame, writeWire } from '../naive/frames.ts';
import { hear } from '../naive/messages.ts';

const maxPayload = 200;

/** Stands for the accept value of the client's key, which is random. As long as one. */
const placeholder = 'accept-value-of-this-client!';

const switching = `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${placeholder}\r\n`;
const frame = (first: number, payload: string): string =>
  writeWire(soundFrame(first, Buffer.from(payload, 'latin1'), null)).toString('latin1');

/** Parts of what a server sends, whole responses and frames in latin1. */
const parts: readonly string[] = [
  'HTTP/1.1 100 Continue\r\n\r\n',
  'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n',
  'HTTP/1.1 102 x\r\nContent-Length: 5\r\n\r\n',
  `${switching}\r\n`,
  `${switching}Content-Length: 5\r\n\r\n`,
  `${switching}Transfer-Encoding: chunked\r\n\r\n`,
  `${switching.replace(placeholder, placeholder.toUpperCase())}\r\n`,
  `${switching.replace('101', '200')}\r\n`,
  'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody',
  'HTTP/1.1 404 x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n',
  'HTTP/1.1 426 x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 0\r\n\r\n',
  `HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n${switching}\r\n`,
  frame(0x81, 'hi'),
  frame(0x01, 'h') + frame(0x89, 'ping') + frame(0x80, 'i'),
  frame(0x82, 'x'.repeat(130)),
  frame(0x88, '\x03\xe8'),
  '\0\xff garbage \r\n',
];
const talk = parts.slice(12, 16).join('');

/** Events of a client for a case. */
interface Told {
  readonly events: string[];
  readonly messages: string[];
  /** Octets that the server has sent, with the accept value. */
  readonly octets: Buffer;
}

/** Turns of the event loop after which nothing more happens. */
const patience = 40;

async function answer(given: Case): Promise<Told & { uncaught: Error | null }> {
  const events: string[] = [];
  const messages: string[] = [];
  let octets = Buffer.alloc(0);
  let uncaught: Error | null = null;
  let isAnswered = false;
  let isClosed = false;
  let sent: Promise<void> | undefined;
  const send = async (wire: Duplex, request: string) => {
    const key = /^sec-websocket-key: (.*)\r$/im.exec(request)?.[1] ?? '';
    const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
    octets = Buffer.from(given.octets.toString('latin1').replaceAll(placeholder, accept), 'latin1');
    for (const chunk of cutOctets(octets, given.cut)) {
      if (wire.destroyed) return;
      wire.push(chunk);
      if (choose(given.config, 0, [false, true])) await new Promise(setImmediate);
    }
    if (choose(given.config, 1, [true, false])) wire.push(null);
  };
  process.setUncaughtExceptionCaptureCallback((error) => {
    uncaught ??= error;
  });
  try {
    const createConnection = () =>
      new Duplex({
        read() {},
        write(chunk: Buffer, _encoding, done) {
          done();
          if (isAnswered) return;
          isAnswered = true;
          sent = send(this, chunk.toString('latin1'));
        },
      });
    const socket = new WebSocket('ws://localhost/', { perMessageDeflate: false, maxPayload, createConnection });
    socket.on('open', () => events.push('open'));
    socket.on('error', (error) => events.push(`error ${(error as NodeJS.ErrnoException).code}`));
    socket.on('message', (data, isBinary) => messages.push(`${isBinary} ${(data as Buffer).toString('hex')}`));
    socket.on('close', (code) => {
      events.push(`close ${code}`);
      isClosed = true;
    });
    for (let turn = 0; turn < patience && !isClosed; turn++) {
      await new Promise(setImmediate);
      await sent;
      if (turn === patience / 2) socket.terminate();
    }
  } finally {
    process.setUncaughtExceptionCaptureCallback(null);
  }
  return { events, messages, octets, uncaught };
}

/** Returns the octets behind each head that a client may take for its 101: one with the status and the accept value. */
function behindSwitching(octets: Buffer, given: Buffer): Buffer[] {
  const shift = octets.length - given.length;
  demand(shift === 0, 'the placeholder is as long as an accept value');
  const text = given.toString('latin1');
  let start = 0;
  return [...text.matchAll(/\n\r?\n/g)].flatMap(({ index, 0: line }) => {
    const head = text.slice(start, index);
    start = index + line.length;
    return /HTTP\/1\.\d 101/.test(head) && head.includes(placeholder) ? [octets.subarray(start)] : [];
  });
}

/** Returns whether the first final response is an agreement, if all heads up to it are well-formed; null otherwise. */
function isAgreed(given: Buffer): boolean | null {
  let rest = given.toString('latin1');
  for (;;) {
    const end = rest.indexOf('\r\n\r\n');
    if (end === -1) return null;
    const [start, ...lines] = rest.slice(0, end).split('\r\n');
    const status = /^HTTP\/1\.1 (\d{3}) [ -~]*$/.exec(start!)?.[1];
    const fields = lines.map((line) => /^([\w-]+):[ \t]*([!-~](?:[ -~]*[!-~])?)?$/.exec(line));
    if (status === undefined || fields.includes(null)) return null;
    const names = fields.map((field) => field![1]!.toLowerCase());
    // A parser may take these for errors. A repeated field is joined by a comma, and then invalid.
    if (names.some((name) => /^(?:content-length|transfer-encoding)$/.test(name))) return null;
    const value = (name: string) =>
      fields
        .filter((_field, index) => names[index] === name)
        .map((field) => field![2] ?? '')
        .join(', ');
    if (status === '101') {
      return (
        value('upgrade').toLowerCase() === 'websocket' &&
        /(?:^|,)[ \t]*upgrade[ \t]*(?:,|$)/i.test(value('connection')) &&
        value('sec-websocket-accept') === placeholder &&
        !names.includes('sec-websocket-protocol') &&
        !names.includes('sec-websocket-extensions')
      );
    }
    if (status < '100' || status >= '200') return false;
    rest = rest.slice(end + 4);
  }
}

export const replies: Target = {
  name: 'replies',
  title:
    'Whole HTTP answers to a client: it opens behind its own 101 only, and gets the messages of the frames behind it',

  seeds: () =>
    parts.slice(0, 12).flatMap((part, index) => {
      const texts = [part + talk, part + parts[3] + talk, parts[3] + talk + part, part];
      return texts.map((text, i) => ({ octets: Buffer.from(text, 'latin1'), cut: [], config: index + i }));
    }),

  mutate(random, given, other) {
    const octets = mutateParts(random, given.octets, other.octets, parts);
    return {
      octets,
      cut: random.oneIn(3) ? given.cut : mutateCut(random, octets.length),
      config: random.oneIn(4) ? random.below(4) : given.config,
    };
  },

  async run(given) {
    const { events, messages, octets, uncaught } = await answer(given);
    demand(uncaught === null, 'nothing is uncaught', uncaught === null ? '' : (uncaught as Error).stack);
    const kinds = events.map((event) => event.split(' ', 1)[0]).join(' ');
    demand(
      /^(?:open (?:error )?close|error close)$/.test(kinds),
      'the events of a client come once, and in order',
      events,
    );
    const isOpen = events[0] === 'open';
    const agreed = isAgreed(given.octets);
    demand(agreed === null || agreed === isOpen, 'a client opens for its own 101 only', [agreed, events]);
    if (!isOpen) {
      demand(messages.length === 0, 'there is no message without a WebSocket');
      return events.join();
    }
    const rules = { role: 'client', maxPayload, maxFragments: 0, allowRsv1: false } as const;
    const candidates = behindSwitching(octets, given.octets).map((frames) =>
      hear(frames, rules, true)
        .told.flatMap((told) => (told.kind === 'message' ? [`${told.isBinary} ${told.payload.toString('hex')}`] : []))
        .join(),
    );
    demand(candidates.includes(messages.join()), 'the messages are those of the frames behind the 101', [
      messages,
      candidates,
    ]);
    return `${events} ${messages.length}`;
  },
};
