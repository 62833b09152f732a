import { createServer } from 'node:http';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { findChromium, launchChromium, openPage } from '../support/chromium.ts';
import { portOf } from '../support/port-of.ts';
import { type Site, startSite } from './site.ts';

const MIB = 1024 * 1024;
const executablePath = findChromium();
const isDemanded = process.env.CI === 'true';

if (!executablePath && !isDemanded) {
  console.warn('\n*** THE PAGE IS NOT TESTED: no Chromium is installed. With CI=true this would be a failure. ***\n');
}

test.skipIf(!executablePath && !isDemanded)('Chromium is available to test the page', () => {
  expect(executablePath).toBeDefined();
});

describe.skipIf(!executablePath)('the page, in Chromium', () => {
  let browser: Browser;
  let site: Site;
  let page: Page;
  /** Errors reported by the browser: of the script, the CSP or the network. */
  let complaints: string[];

  beforeAll(async () => {
    [browser, site] = await Promise.all([launchChromium(executablePath!), startSite()]);
  });

  afterAll(async () => {
    await browser?.close();
    site?.program.kill('SIGKILL');
    await site?.program.exit;
  });

  beforeEach(async () => {
    page = await visit(site);
  });

  afterEach(async () => {
    await page.close();
  });

  async function visit({ page: address }: Site): Promise<Page> {
    const opened = await openPage(browser);
    complaints = [];
    opened.on('pageerror', (error) => complaints.push(String(error)));
    opened.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
    });
    await opened.goto(address);
    return opened;
  }

  const button = (name: string) => page.getByRole('button', { name, exact: true });
  const state = () => page.getByRole('list', { name: 'readyState' }).locator('[aria-current]');
  const status = () => page.locator('#status');
  const messages = (selector = '') => page.getByRole('log').locator(`[data-direction]${selector}`);
  const sending = () => page.locator('section', { has: page.getByRole('heading', { name: 'Send' }) });
  const source = (name: string) => page.getByRole('radio', { name, exact: true }).check({ force: true });

  async function connect(): Promise<void> {
    await button('Connect').click();
    await messages('[data-direction="in"]').first().waitFor();
  }

  test('offers the address of its own server, and is not connected yet', async () => {
    expect(await page.getByLabel('Address').inputValue()).toBe(site.echo);
    expect(await status().textContent()).toBe('Not connected yet.');
    expect(await state().count()).toBe(0);
  });

  test('connects and shows the greeting as the first message', async () => {
    await connect();
    expect(await state().textContent()).toBe('OPEN 1');
    const greeting = messages().first();
    expect(await greeting.getAttribute('data-direction')).toBe('in');
    expect(await greeting.getAttribute('data-kind')).toBe('text');
    expect(await greeting.textContent()).toContain('Welcome to goodwire');
    expect(complaints).toEqual([]);
  });

  test.each([
    ['binary', 'random'],
    ['binary', 'counting'],
    ['text', 'letters'],
    ['text', 'mixed'],
  ])('sends %s (%s) of every size, and each is echoed unchanged', async (kind, content) => {
    await connect();
    await source('Generate');
    await page.getByLabel('Content').selectOption(content);
    for (const octets of [0, 1, 125, 126, 65535, 65536, MIB]) {
      await page.getByLabel('Bytes', { exact: true }).fill(String(octets));
      await button('Send').click();
      const size = `[data-kind="${kind}"][data-octets="${octets}"]`;
      await messages(`[data-direction="out"]${size}`).waitFor();
      // Only a message equal to one that was sent is marked as an echo.
      await messages(`[data-direction="in"]${size}`)
        .getByText(/^echo, [\d.]+ ms$/)
        .waitFor();
    }
    await page.locator('#received', { hasText: /^8$/ }).waitFor();
    expect(await page.locator('#sent').textContent()).toBe('7');
    expect(await page.locator('#sent-octets').textContent()).toBe('1,179,899 bytes');
    expect(await page.locator('#buffered').textContent()).toBe('0');
    expect(complaints).toEqual([]);
  });

  test('sends typed text with Enter, and keeps it in its language', async () => {
    await connect();
    await page.getByLabel('Text message').fill('grüße, 世界 🚀');
    await page.keyboard.press('Enter');
    const echo = messages('[data-direction="in"][data-octets="20"]');
    await echo.waitFor();
    expect(await echo.textContent()).toContain('grüße, 世界 🚀');
  });

  test('sends bytes typed in hex, and reports an invalid digit', async () => {
    await connect();
    await source('Hex');
    const field = page.getByLabel('Bytes of a binary message, in hex');
    await field.fill('00 ff 0x7F,\n8g');
    expect(await sending().getByRole('status').textContent()).toBe('‘g’ is not a hex digit.');
    expect(await field.getAttribute('aria-invalid')).toBe('true');
    await field.fill('00 ff 0x7F,\n80');
    await button('Send').click();
    const echo = messages('[data-direction="in"][data-kind="binary"][data-octets="4"]');
    await echo.waitFor();
    expect(await echo.textContent()).toContain('00 ff 7f 80');
  });

  test('sends a file', async () => {
    await connect();
    await source('File');
    const buffer = Buffer.from('%PDF-not really');
    await page
      .getByLabel('File, sent as a binary message')
      .setInputFiles({ name: 'a.pdf', mimeType: 'application/pdf', buffer });
    await button('Send').click();
    const echo = messages('[data-direction="in"][data-kind="binary"][data-octets="15"]');
    await echo.locator('summary').click();
    await echo.getByText('%PDF-not really').waitFor();
  });

  test('shows only the first part of a large message', async () => {
    await connect();
    await source('Generate');
    await page.getByLabel('Content').selectOption('letters');
    await page.getByLabel('Bytes', { exact: true }).fill(String(MIB));
    await button('Send').click();
    const echo = messages(`[data-direction="in"][data-octets="${MIB}"]`);
    await echo.locator('summary').click();
    await echo.getByText('Shown: the first 4,096 characters and the first 512 of 1,048,576 bytes in hex.').waitFor();
    expect((await echo.getByLabel('The text').textContent())?.length).toBe(4096);
  });

  test('handles a burst of 3,000 messages, and keeps the last 500 lines', async () => {
    await connect();
    await source('Generate');
    await page.getByLabel('Bytes', { exact: true }).fill('125');
    await page.getByLabel('Times').fill('3000');
    await button('Send').click();
    await page.locator('#received', { hasText: /^3,001$/ }).waitFor();
    expect(await page.locator('#sent').textContent()).toBe('3,000');
    await page.locator('#log-count', { hasText: 'the last 500 of 6,003' }).waitFor();
    expect(await page.getByRole('log').locator('> li').count()).toBe(500);
    await button('Clear').click();
    expect(await page.getByRole('log').locator('> li').count()).toBe(0);
  });

  test('shows text that looks like HTML as text', async () => {
    await connect();
    await page.getByLabel('Text message').fill('<img src=x onerror=alert(1)>');
    await button('Send').click();
    const echo = messages('[data-direction="in"][data-octets="28"]');
    await echo.locator('summary').click();
    expect(await echo.getByLabel('The text').textContent()).toBe('<img src=x onerror=alert(1)>');
    expect(await page.getByRole('log').locator('img').count()).toBe(0);
  });

  test('closes with the code and reason that are typed', async () => {
    await connect();
    await page.getByLabel('Code', { exact: true }).fill('4001');
    await page.getByLabel('Reason').fill('genug für heute');
    await button('Close').click();
    await state().filter({ hasText: 'CLOSED 3' }).waitFor();
    const text = await status().textContent();
    expect(text).toMatch(/^4001Application code This page closed the connection [\d.]+ s after opening\./);
    expect(text).toMatch(/reasongenug für heutewasCleantrue$/);
    expect(complaints).toEqual([]);
  });

  test('closes without a code, which is shown as 1005', async () => {
    await connect();
    await page.getByLabel('Code', { exact: true }).fill('');
    await button('Close').click();
    await status().getByText('1005').waitFor();
    expect(await status().textContent()).toMatch(/^1005Closed without a code .*reasonnonewasCleantrue$/);
  });

  test('refuses a code or a reason that a page must not send, and stays open', async () => {
    await connect();
    const hint = page.locator('#close-hint');
    await page.getByLabel('Code', { exact: true }).fill('1001');
    await button('Close').click();
    expect(await hint.textContent()).toBe('The code must be 1000 or 3000 to 4999.');
    await page.getByLabel('Code', { exact: true }).fill('1000');
    await page.getByLabel('Reason').fill('é'.repeat(62));
    await button('Close').click();
    expect(await hint.textContent()).toBe('The reason has 124 bytes; the maximum is 123.');
    expect(await state().textContent()).toBe('OPEN 1');
    await page.getByLabel('Reason').fill(`${'é'.repeat(61)}e`);
    await button('Close').click();
    await status().getByText('Normal closure').waitFor();
  });

  test('connects again after a close, with counters at zero', async () => {
    await connect();
    await button('Disconnect').click();
    await status().getByText('1000').waitFor();
    await button('Connect').click();
    await messages('[data-direction="in"]').nth(1).waitFor();
    expect(await state().textContent()).toBe('OPEN 1');
    await page.locator('#received', { hasText: /^1$/ }).waitFor();
  });

  test('requests subprotocols and shows the agreed one', async () => {
    await page.getByLabel('Subprotocols').fill('chat.v2, chat.v1');
    await connect();
    expect(await status().textContent()).toContain('subprotocolchat.v2');
  });

  test('shows the error in an address or in subprotocols', async () => {
    const hint = page.locator('#connect-hint');
    await page.getByLabel('Address').fill('ftp://127.0.0.1/');
    await button('Connect').click();
    expect(await hint.textContent()).toContain("'ftp' is not allowed");
    expect(await page.getByLabel('Address').getAttribute('aria-invalid')).toBe('true');
    await page.getByLabel('Address').fill(site.echo);
    await page.getByLabel('Subprotocols').fill('a, a');
    await button('Connect').click();
    expect(await hint.textContent()).toContain('duplicated');
    expect(await page.getByLabel('Subprotocols').getAttribute('aria-invalid')).toBe('true');
    expect(await state().count()).toBe(0);
  });

  test('shows an unreachable server as 1006, never open', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => taken.once('listening', resolve));
    const port = portOf(taken);
    await new Promise((resolve) => taken.close(resolve));
    await page.getByLabel('Address').fill(`ws://127.0.0.1:${port}/`);
    await button('Connect').click();
    await status().getByText('1006').waitFor();
    expect(await status().textContent()).toMatch(
      /^1006Connection lost without a close frame The connection did not open: the server was unreachable or refused\.reasonnonewasCleanfalse$/,
    );
  });

  test('shows 1001 when the server shuts down', async () => {
    const other = await startSite();
    await page.goto(other.page);
    await connect();
    other.program.kill('SIGTERM');
    await status().getByText('1001').waitFor();
    expect(await status().textContent()).toMatch(
      /^1001Going away The server closed the connection [\d.]+ s after opening\.reasonThe server is shutting down\.wasCleantrue$/,
    );
    expect((await other.program.exit).code).toBe(0);
  });

  test('shows 1006 when the server dies', async () => {
    const other = await startSite();
    await page.goto(other.page);
    await connect();
    other.program.kill('SIGKILL');
    await status().getByText('1006').waitFor();
    expect(await status().textContent()).toMatch(
      /^1006Connection lost without a close frame The connection broke [\d.]+ s after opening\.reasonnonewasCleanfalse$/,
    );
    await other.program.exit;
  });

  test('can be used with only the keyboard', async () => {
    await page.getByLabel('Address').press('Enter');
    await messages('[data-direction="in"]').first().waitFor();
    await page.getByLabel('Text message').press('Enter');
    const echo = messages('[data-direction="in"][data-octets="11"]');
    await echo.waitFor();
    await echo.locator('summary').press('Enter');
    await echo.getByLabel('The bytes in hex').waitFor();
    await page.getByRole('radio', { name: 'Text', exact: true }).press('ArrowRight');
    await page.getByLabel('Bytes of a binary message, in hex').waitFor();
    await page.getByLabel('Reason').press('Enter');
    await status().getByText('1000').waitFor();
  });

  test('loads nothing but itself and its style sheet', async () => {
    const requests: string[] = [];
    page.on('request', (request) => requests.push(request.url()));
    await page.reload();
    await connect();
    expect(requests.filter((url) => !url.startsWith('data:'))).toEqual([site.page, `${site.page}style.css`]);
  });

  test.each([320, 390, 768, 1280])('fits a window of %i pixels', async (width) => {
    await page.setViewportSize({ width, height: 800 });
    await connect();
    await button('Send').click();
    await messages('[data-direction="in"][data-octets="11"]').waitFor();
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width);
  });
});
