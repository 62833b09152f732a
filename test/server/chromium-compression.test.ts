import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type PerMessageDeflateOptions, type WebSocket, WebSocketServer } from '../../src/index.ts';
import { findChromium, launchChromium, openPage } from '../support/chromium.ts';
import { portOf } from '../support/port-of.ts';

const executablePath = findChromium();
const isDemanded = process.env.CI === 'true';

if (!executablePath && !isDemanded) {
  console.warn(
    '\n*** COMPRESSION IS NOT TESTED WITH A BROWSER: no Chromium is installed. With CI=true this would fail. ***\n',
  );
}

test.skipIf(!executablePath && !isDemanded)('Chromium is available to test compression', () => {
  expect(executablePath).toBeDefined();
});

const sizes = [0, 1, 1023, 1024, 4096, 16_384, 16_385, 65_536, 262_144, 262_145, 1_000_000];

/** Report of a page about an echo. */
interface Report {
  readonly extensions: string;
  /** Messages that did not come back unchanged. */
  readonly wrong: string[];
  readonly wasClean: boolean;
}

describe.skipIf(!executablePath)('a page in Chromium', () => {
  let browser: Browser;
  let page: Page;
  let httpServer: Server;
  let origin: string;

  beforeAll(async () => {
    httpServer = createServer((_request, response) => {
      response.setHeader('Content-Type', 'text/html').end('<!doctype html><title>compression</title>');
    });
    httpServer.listen(0, '127.0.0.1');
    [browser] = await Promise.all([launchChromium(executablePath!), once(httpServer, 'listening')]);
    origin = `127.0.0.1:${portOf(httpServer)}`;
    page = await openPage(browser);
    await page.goto(`http://${origin}/`);
  });

  afterAll(async () => {
    await browser?.close();
    httpServer.closeAllConnections();
    httpServer.close();
  });

  /**
   * Runs in the page: sends text and bytes of all sizes, first one after the other and then all at once, and closes.
   */
  const talk = ([url, sizes]: [string, number[]]) =>
    new Promise<Report>((resolve, reject) => {
      const socket = new globalThis.WebSocket(url);
      socket.binaryType = 'arraybuffer';
      const pieces = ['{"kind":"position",', 'größe 足够 ', '"latitude":12.5}'];
      const text = (size: number, n: number) =>
        pieces
          .map((piece) => piece + n)
          .join('')
          .repeat(size / 40 + 1)
          .slice(0, size);
      const octets = (size: number) => Uint8Array.from({ length: size }, (_, i) => (i % 7) * (i >> 9));
      const each = sizes.flatMap((size, n) => [text(size, n), octets(size)]);
      const messages = [...each, ...each];
      const same = (a: unknown, b: string | Uint8Array) => {
        if (typeof a === 'string') return a === b;
        const given = new Uint8Array(a as ArrayBuffer);
        return typeof b !== 'string' && given.length === b.length && given.every((octet, i) => octet === b[i]);
      };
      const wrong: string[] = [];
      let received = 0;
      socket.onopen = () => socket.send(messages[0]!);
      socket.onmessage = ({ data }) => {
        const expected = messages[received]!;
        if (!same(data, expected)) wrong.push(`${received}: ${typeof expected} of ${expected.length}`);
        received++;
        if (received < each.length) socket.send(messages[received]!);
        else if (received === each.length) for (const message of each) socket.send(message);
        else if (received === messages.length) socket.close(4000, 'done');
      };
      socket.onerror = () => reject(new Error(`failed behind ${received} messages`));
      socket.onclose = ({ wasClean }) => resolve({ extensions: socket.extensions, wrong, wasClean });
    });

  const all: [PerMessageDeflateOptions | true, string][] = [
    [true, '; server_no_context_takeover; client_no_context_takeover'],
    [{ contextTakeover: true }, ''],
    [
      { contextTakeover: true, serverMaxWindowBits: 9, clientMaxWindowBits: 9 },
      '; server_max_window_bits=9; client_max_window_bits=9',
    ],
    [
      { serverMaxWindowBits: 8, clientMaxWindowBits: 8 },
      '; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=8; client_max_window_bits=8',
    ],
    [{ contextTakeover: true, clientNoContextTakeover: true, threshold: 0 }, '; client_no_context_takeover'],
  ];

  test.each(all)(
    'receives echoes of text and binary data of all sizes, compressed with %j',
    async (perMessageDeflate, parameters) => {
      const server = new WebSocketServer({ server: httpServer, perMessageDeflate });
      let read = 0;
      let written = 0;
      server.on('connection', (socket: WebSocket) => {
        const { _socket: stream } = socket as unknown as { _socket: Socket };
        stream.on('close', () => {
          read += stream.bytesRead;
          written += stream.bytesWritten;
        });
        socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
      });
      const report = await page.evaluate(talk, [`ws://${origin}/`, sizes] as [string, number[]]);
      await new Promise<void>((resolve) => server.close(() => resolve()));
      httpServer.removeAllListeners('upgrade');
      expect(report).toEqual({ extensions: `permessage-deflate${parameters}`, wrong: [], wasClean: true });
      // The traffic was less than a third of the messages, in each direction.
      const said = sizes.reduce((sum, size) => sum + 4 * size, 0);
      expect(read).toBeLessThan(said / 3);
      expect(written).toBeLessThan(said / 3);
    },
  );
});
