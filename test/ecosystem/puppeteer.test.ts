import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import devtools from 'chrome-remote-interface';
import puppeteer, { type Browser } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { WebSocketServer } from 'ws';
import { chromiumArguments, findChromium } from './chromium.ts';

const executablePath = findChromium();
const isDemanded = process.env.CI === 'true';

test.skipIf(!executablePath && !isDemanded)('Chromium is available', () => {
  expect(executablePath).toBeDefined();
});

describe.skipIf(!executablePath)('Chromium, controlled over a WebSocket', () => {
  let browser: Browser;
  let httpServer: Server;
  let webSocketServer: WebSocketServer;
  let origin: string;

  beforeAll(async () => {
    httpServer = createServer((_request, response) => {
      response.setHeader('Content-Type', 'text/html').end('<!doctype html><title>A page</title><p>Some text</p>');
    });
    webSocketServer = new WebSocketServer({ server: httpServer, perMessageDeflate: { threshold: 0 } });
    webSocketServer.on('connection', (socket) => {
      socket.on('message', (data, isBinary) => {
        if (`${data}` === 'close me') socket.close(4_001, 'as you wish');
        else socket.send(data, { binary: isBinary });
      });
    });
    await new Promise<void>((resolve) => httpServer.listen(0, '127.0.0.1', resolve));
    origin = `127.0.0.1:${(httpServer.address() as AddressInfo).port}`;
    browser = await puppeteer.launch({ executablePath, args: chromiumArguments });
  });

  afterAll(async () => {
    await browser?.close();
    httpServer?.closeAllConnections();
    await new Promise((resolve) => httpServer.close(resolve));
  });

  test('puppeteer opens a page, runs code in it and receives its events', async () => {
    const page = await browser.newPage();
    onTestFinished(() => page.close());
    const said = new Promise<string>((resolve) => page.once('console', (message) => resolve(message.text())));
    await page.goto(`http://${origin}/`);
    expect(await page.title()).toBe('A page');
    expect(await page.$eval('p', ({ textContent }) => textContent)).toBe('Some text');
    await page.exposeFunction('double', (value: number) => 2 * value);
    expect(await page.evaluate('double(21)')).toBe(42);
    await page.evaluate((text) => console.log(text), 'grüße, 世界 🚀');
    expect(await said).toBe('grüße, 世界 🚀');
    await expect(page.evaluate('nothing()')).rejects.toThrow('nothing is not defined');
  });

  test('messages of megabytes pass in both directions', async () => {
    const page = await browser.newPage();
    onTestFinished(() => page.close());
    const long = randomBytes(3_145_728).toString('base64');
    const back = await page.evaluate((text) => text + text, long);
    expect(back === long + long).toBe(true);
    const picture = await page.screenshot();
    expect(Buffer.from(picture).subarray(0, 8).toString('latin1')).toBe('\x89PNG\r\n\x1a\n');
  });

  test('puppeteer reconnects to the same browser after disconnecting, and two instances control it at once', async () => {
    const page = await browser.newPage();
    onTestFinished(() => page.close());
    await page.goto(`http://${origin}/?kept`);
    const browserWSEndpoint = browser.wsEndpoint();
    const first = await puppeteer.connect({ browserWSEndpoint });
    const disconnected = new Promise<void>((resolve) => first.once('disconnected', () => resolve()));
    await first.disconnect();
    await disconnected;
    expect(first.connected).toBe(false);
    const second = await puppeteer.connect({ browserWSEndpoint });
    const urls = (await second.pages()).map((open) => open.url());
    expect(urls).toContain(`http://${origin}/?kept`);
    expect(await browser.version()).toBe(await second.version());
    await second.disconnect();
  });

  test('an address without a browser refuses', async () => {
    const { port } = new URL(browser.wsEndpoint());
    await expect(puppeteer.connect({ browserWSEndpoint: `ws://127.0.0.1:${port}/nothing` })).rejects.toMatchObject({
      message: 'Unexpected server response: 404',
    });
  });

  test('chrome-remote-interface controls it too', async () => {
    const { port } = new URL(browser.wsEndpoint());
    const target = await devtools.New({ host: '127.0.0.1', port });
    const client = await devtools({ host: '127.0.0.1', port, target });
    await client.Page.enable();
    const loaded = client.Page.loadEventFired();
    await client.Page.navigate({ url: `http://${origin}/` });
    await loaded;
    const { result } = await client.Runtime.evaluate({ expression: 'document.title' });
    expect(result.value).toBe('A page');
    const gone = new Promise((resolve) => client.once('disconnect', resolve));
    await devtools.Close({ host: '127.0.0.1', port, id: target.id });
    await gone;
  });

  test('the WebSocket of the page works: text, binary data, compression, close', async () => {
    const page = await browser.newPage();
    onTestFinished(() => page.close());
    await page.goto(`http://${origin}/`);
    const upgrade = new Promise<IncomingMessage>((resolve) =>
      webSocketServer.once('connection', (_socket, request) => resolve(request)),
    );
    const log = await page.evaluate(
      (url) =>
        new Promise<unknown[]>((resolve, reject) => {
          const socket = new WebSocket(url);
          const log: unknown[] = [];
          socket.binaryType = 'arraybuffer';
          socket.onopen = () => {
            log.push(socket.extensions);
            socket.send('grüße, 世界 🚀');
            socket.send(Uint8Array.from({ length: 70_000 }, (_, i) => i));
            socket.send('x'.repeat(200_000));
          };
          socket.onmessage = ({ data }) => {
            if (typeof data !== 'string') log.push(new Uint8Array(data).every((octet, i) => octet === (i & 255)));
            else log.push(data.length > 100 ? data.length : data);
            if (log.length === 4) socket.send('close me');
          };
          socket.onclose = ({ code, reason, wasClean }) => resolve([...log, code, reason, wasClean]);
          socket.onerror = reject;
        }),
      `ws://${origin}/`,
    );
    expect((await upgrade).headers.origin).toBe(`http://${origin}`);
    expect(log).toEqual([
      expect.stringMatching(/^permessage-deflate/),
      'grüße, 世界 🚀',
      true,
      200_000,
      4_001,
      'as you wish',
      true,
    ]);
  });

  test('closing a browser disconnects puppeteer', async () => {
    const other = await puppeteer.launch({ executablePath, args: chromiumArguments });
    onTestFinished(() => other.close());
    const spectator = await puppeteer.connect({ browserWSEndpoint: other.wsEndpoint() });
    const disconnected = new Promise<void>((resolve) => spectator.once('disconnected', () => resolve()));
    await other.close();
    await disconnected;
    expect(spectator.connected).toBe(false);
    await expect(spectator.version()).rejects.toThrow();
  });
});
