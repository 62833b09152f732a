import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { findChromium, launchChromium, openPage } from '../support/chromium.ts';
import { freePort } from '../support/free-port.ts';
import { type Program, start } from '../support/program.ts';

const executablePath = findChromium();
const isDemanded = process.env.CI === 'true';

test.skipIf(!executablePath && !isDemanded)('Chromium is available to test the market', () => {
  expect(executablePath).toBeDefined();
});

describe.skipIf(!executablePath)('the market of npm start, in Chromium', () => {
  let browser: Browser;
  let port: number;
  let program: Program;
  /** Errors reported by the browsers, except for connections that fail while the server is stopped. */
  let complaints: string[] = [];
  const pages: Page[] = [];

  const startServer = async () => {
    program = start('site/server.js', { PORT: String(port) });
    await program.prints(/\/market and ws/);
  };

  beforeAll(async () => {
    port = await freePort();
    [browser] = await Promise.all([launchChromium(executablePath!), startServer()]);
  });

  afterAll(async () => {
    await browser?.close();
    program?.kill('SIGKILL');
    await program?.exit;
  });

  afterEach(async () => {
    for (const page of pages.splice(0)) await page.close();
    complaints = [];
  });

  /** Opens a separate window. */
  async function open(): Promise<Page> {
    const page = await openPage(browser);
    pages.push(page);
    page.on('pageerror', (error) => complaints.push(String(error)));
    page.on('console', (message) => {
      if (message.type() === 'error' && !message.text().includes('ERR_CONNECTION_REFUSED'))
        complaints.push(message.text());
    });
    await page.goto(`http://127.0.0.1:${port}/market`);
    await page.locator('#link[data-state=open]').waitFor();
    return page;
  }

  async function subscribe(page: Page, goods: string, currency: string): Promise<void> {
    await page.getByLabel('Goods').fill(goods);
    await page.getByLabel('Currency').selectOption(currency);
    await page.getByRole('button', { name: 'Subscribe', exact: true }).click();
  }

  const card = (page: Page, goods: string, currency: string) =>
    page.locator(`.card[data-goods="${goods}"][data-currency="${currency}"]`);

  test('shows the shelf, and new items, each window in its own currency', async () => {
    const [first, second] = [await open(), await open()];
    expect(await first.locator('#shelf b').allTextContents()).toEqual(
      expect.arrayContaining(['fruit/apple', 'fruit/orange', 'prices/*']),
    );
    await subscribe(first, 'fruit/apple', 'CNY');
    await subscribe(second, 'fruit/apple', 'JPY');
    await card(first, 'fruit/apple', 'CNY')
      .getByText(/^\d+\.\d\d CNY/)
      .waitFor();
    await card(second, 'fruit/apple', 'JPY')
      .getByText(/^\d+\.\d\d JPY/)
      .waitFor();
    // The messages of one client contain nothing of the other.
    await first.locator('#log li.in', { hasText: '"variant":"CNY"' }).first().waitFor();
    expect(await first.locator('#log li', { hasText: 'JPY' }).count()).toBe(0);
    await first.locator('#log li.out', { hasText: '"op":"subscribe"' }).waitFor();
    expect(complaints).toEqual([]);
  });

  test('draws a chart of a price feed, which exists as long as it has subscribers', async () => {
    const page = await open();
    await subscribe(page, 'prices/pear', 'EUR');
    const chart = card(page, 'prices/pear', 'EUR').locator('polyline');
    await expect.poll(async () => (await chart.getAttribute('points'))?.split(' ').length ?? 0).toBeGreaterThan(4);
    await page.getByRole('button', { name: 'List my subscriptions' }).click();
    await page.getByText(/^Your subscriptions: prices\/pear in EUR \(prices\/pear at \d+\)\.$/).waitFor();
    await page.getByRole('button', { name: 'Unsubscribe from prices/pear in EUR' }).click();
    await page.getByText('No subscriptions yet. Choose goods from the shelf.').waitFor();
    await page.getByRole('button', { name: 'List my subscriptions' }).click();
    await page.getByText('You have no subscriptions.').waitFor();
    expect(complaints).toEqual([]);
  });

  test('shows why a subscription is refused', async () => {
    const page = await open();
    await subscribe(page, 'fruit/durian', 'CNY');
    await page.locator('#subscribe-hint.bad', { hasText: 'no such goods are on the shelf' }).waitFor();
    expect(complaints).toEqual([]);
  });

  test('reconnects after the server was killed and restarted, and continues', async () => {
    const page = await open();
    await subscribe(page, 'prices/apple', 'USD');
    const value = card(page, 'prices/apple', 'USD').getByText(/^\d+\.\d\d USD/);
    await value.waitFor();
    program.kill('SIGKILL');
    await program.exit;
    await page.locator('#link[data-state=waiting], #link[data-state=connecting]').waitFor();
    await startServer();
    await page.locator('#link[data-state=open]').waitFor();
    await page.locator('#reconnects', { hasText: '1' }).waitFor();
    const before = Number(await page.locator('#items').textContent());
    await expect.poll(async () => Number(await page.locator('#items').textContent())).toBeGreaterThan(before);
    await value.waitFor();
    // The new server cannot recover the items of the old one. That is reported as a gap.
    await page.locator('#log li.event', { hasText: 'items were skipped (not-recovered)' }).waitFor();
    expect(complaints).toEqual([]);
  });

  test.each([320, 768, 1280])('fits a window of %d pixels', async (width) => {
    const page = await open();
    await page.setViewportSize({ width, height: 800 });
    await subscribe(page, 'fruit/*', 'CNY');
    await card(page, 'fruit/*', 'CNY').waitFor();
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(width);
  });
});
