import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { CaseResult } from '../../../autobahn/report/case-result.ts';
import { formatHtmlReport, writeHtmlReport } from '../../../autobahn/report/html-report.ts';
import { findChromium, launchChromium, openPage } from '../../support/chromium.ts';
import { caseResult, frame } from './results.ts';

const hostile = `</script><script>window.isOwned = true</script><img src=x onerror="window.isOwned = true">'"&\u202e<!--`;

describe('the HTML of the page', () => {
  test('contains no element sent by a peer', () => {
    const page = formatHtmlReport([
      caseResult(
        {
          agent: hostile,
          description: hostile,
          expectation: hostile,
          result: hostile,
          resultClose: hostile,
          received: [['message', hostile, false]],
          remoteCloseReason: hostile,
          httpResponse: hostile,
        },
        { failure: hostile, violation: hostile, extensions: hostile, trace: [frame({ text: hostile })] },
      ),
    ]);
    expect(page).not.toContain('<img');
    expect(page.match(/<script/g)).toHaveLength(2);
    expect(page.match(/<\/script/g)).toHaveLength(2);
    expect(page).not.toContain('<!--');
  });

  test('loads nothing: its policy allows only its own script and style sheet', () => {
    const page = formatHtmlReport([caseResult()]);
    expect(page).toMatch(/default-src 'none'; style-src 'sha256-[\w+/=]+'; script-src 'sha256-[\w+/=]+'/);
    expect(page).not.toMatch(/<link|<img|\ssrc=|url\(|@import/);
  });

  test('counts a case by the worse of its two verdicts', () => {
    const page = formatHtmlReport([
      caseResult({ id: '1.1.1' }),
      caseResult({ id: '1.1.2', behaviorClose: 'UNCLEAN' }),
      caseResult({ id: '1.1.3', behavior: 'FAILED', behaviorClose: 'WRONG CODE' }),
    ]);
    expect(page).toContain('1 OK, 1 UNCLEAN, 1 FAILED');
    expect(page).toContain('2 of 3 cases failed');
  });

  test('is written even for a run without cases', () => {
    expect(formatHtmlReport([])).toContain('0 cases of the Autobahn catalogue');
  });

  test('stays small: a long log is shortened for a passed case, and complete for a failed case', () => {
    const trace = Array.from({ length: 256 }, (_, at) => frame({ at, hex: 'aa'.repeat(64) }));
    const many = (behavior: CaseResult['behavior']) =>
      formatHtmlReport([caseResult({ behavior }, { trace, traceOmitted: 1000 })]);
    expect(many('OK').length * 2).toBeLessThan(many('FAILED').length);
    expect(many('OK')).toContain('"omitted":1216');
    expect(many('FAILED')).toContain('"omitted":1000');
  });
});

const executablePath = findChromium();
const isDemanded = process.env.CI === 'true';

if (!executablePath && !isDemanded) {
  console.warn('\n*** THE REPORT IS NOT OPENED: no Chromium is installed. With CI=true this would be a failure. ***\n');
}

test.skipIf(!executablePath && !isDemanded)('Chromium is available to open the report', () => {
  expect(executablePath).toBeDefined();
});

describe.skipIf(!executablePath)('the page, opened as a file in Chromium', () => {
  let browser: Browser;
  let page: Page;
  let folder: string;
  let complaints: string[];

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'goodwire-report-'));
    browser = await launchChromium(executablePath!);
  });

  afterAll(async () => {
    await browser?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  afterEach(async () => {
    await page.close();
  });

  async function open(results: readonly CaseResult[], hash = ''): Promise<void> {
    writeHtmlReport(folder, results);
    page = await openPage(browser);
    complaints = [];
    page.on('pageerror', (error) => complaints.push(String(error)));
    page.on('console', (message) => complaints.push(message.text()));
    page.on('request', (request) => {
      if (!request.url().startsWith('file:')) complaints.push(request.url());
    });
    await page.goto(`${pathToFileURL(join(folder, 'index.html'))}${hash}`);
  }

  const row = (id: string) => page.locator(`[id="case-${id}"]`);
  // The page fills a case in a task after the event of its opening.
  async function unfold(id: string): Promise<void> {
    await row(id).locator('summary').first().click();
    await row(id).locator('.columns').waitFor();
  }
  const shown = () => page.locator('.case:not([hidden]) .id').allTextContents();

  const results = [
    caseResult({ id: '1.1.1' }),
    caseResult({ id: '1.1.10', description: 'Something about grapes.' }),
    caseResult({ id: '1.1.2', behaviorClose: 'UNCLEAN' }),
    caseResult({ id: '6.4.1', behavior: 'NON-STRICT' }, { failure: 'It came too late.' }),
    caseResult({ id: '10.1.1', behavior: 'FAILED' }, { failure: 'Pears, and not apples.', violation: 'RSV2 is set.' }),
  ];

  test('lists the cases in the order of their numbers, under their groups', async () => {
    await open(results);
    expect(await shown()).toEqual(['1.1.1', '1.1.2', '1.1.10', '6.4.1', '10.1.1']);
    expect(await page.locator('.group h2').allTextContents()).toEqual([
      '1 Framing 3 cases',
      '6 UTF-8 1 case',
      '10 Miscellaneous 1 case',
    ]);
    expect(await page.locator('#shown').textContent()).toBe('5 of 5 cases');
    expect(complaints).toEqual([]);
  });

  test('filters by text, cases and status, and hides empty groups', async () => {
    await open(results);
    const find = page.getByLabel('Find');
    const cases = page.getByLabel('Cases');
    await find.fill('PEARS apples');
    expect(await shown()).toEqual(['10.1.1']);
    expect(await page.locator('.group:not([hidden])').count()).toBe(1);
    await find.fill('grapes');
    expect(await shown()).toEqual(['1.1.10']);
    await find.fill('');
    await cases.fill('1.1.1, 6.*');
    expect(await shown()).toEqual(['1.1.1', '6.4.1']);
    await cases.fill('(');
    expect(await page.locator('#nothing').isVisible()).toBe(true);
    await cases.fill('');
    await page.locator('.pill', { hasText: 'OK 2' }).click();
    expect(await shown()).toEqual(['1.1.2', '6.4.1', '10.1.1']);
    expect(await page.locator('#shown').textContent()).toBe('3 of 5 cases');
    expect(complaints).toEqual([]);
  });

  test('shows one group when its name in the summary is clicked, and all when it is clicked again', async () => {
    await open(results);
    const button = page.getByRole('button', { name: '1 Framing' });
    await button.click();
    expect(await shown()).toEqual(['1.1.1', '1.1.2', '1.1.10']);
    await button.click();
    expect(await shown()).toHaveLength(5);
  });

  test('shows why a case failed, and the data sent and received', async () => {
    const trace = [
      frame({ at: 0, direction: 'out', mask: '37fa213d', text: 'κόσμε', hex: 'cebae1bdb9cf83cebcceb5', length: 11 }),
      frame({ at: 1000.25, opcode: 10, fin: false, rsv: 6, hex: '00ff', text: null, length: 125 }),
      frame({ at: 1001, opcode: 3, hex: '', text: null, length: 0 }),
      frame({ at: 1002, opcode: 8, hex: '03ef', text: null, closeCode: 1007, closeReason: 'no UTF-8' }),
      { kind: 'note', at: 1003, direction: null, text: 'we gave up' } as const,
    ];
    await open([
      caseResult(
        {
          id: '6.4.1',
          behavior: 'FAILED',
          received: [['message', 'κόσμε', false]],
          expected: {
            OK: [['timeout', 'A']],
            'NON-STRICT': [
              ['timeout', 'A'],
              ['timeout', 'B'],
            ],
          },
          expectedClose: { closedByMe: false, closeCode: [1007], requireClean: false },
        },
        { trace, failure: 'It came too late.', violation: 'RSV2 is set (RFC 6455 §5.2).' },
      ),
    ]);
    await unfold('6.4.1');
    expect(await row('6.4.1').locator('.why p').allTextContents()).toEqual([
      'It came too late.',
      'RSV2 is set (RFC 6455 §5.2).',
    ]);
    const lines = await row('6.4.1').locator('.wire tbody tr').allInnerTexts();
    expect(lines.map((line) => line.split('\t'))).toEqual([
      ['0.0', '', '→', 'TEXT', 'FIN mask', '11', '“κόσμε”'],
      ['1000.3', '+1000.3', '←', 'PONG', 'RSV1 RSV2', '125', '00 ff … and 123 octets'],
      ['1001.0', '+0.8', '←', 'opcode 0x3', 'FIN', '0', 'no payload'],
      ['1002.0', '+1.0', '←', 'CLOSE', 'FIN', '2', '1007 no UTF-8'],
      ['1003.0', '+1.0', '', 'note', 'we gave up'],
    ]);
    const text = await row('6.4.1').innerText();
    expect(text).toContain('text message κόσμε');
    expect(text.toUpperCase()).toContain('EXPECTED FOR NON-STRICT');
    expect(text).toContain('the peer closes with 1007, or drops the connection');
    expect(complaints).toEqual([]);
  });

  test('opens the case that the address names', async () => {
    await open(results, '#10.1.1');
    await row('10.1.1').locator('.why').waitFor();
    expect(await page.locator('.case[open]').count()).toBe(1);
  });

  test('shows several agents side by side, even if one did not run a case', async () => {
    await open([...results, caseResult({ id: '1.1.1', agent: 'other', behavior: 'FAILED', isServer: true })]);
    expect(await row('1.1.1').locator('.badge').allTextContents()).toEqual(['OK', 'FAILED']);
    expect(await row('6.4.1').locator('.badge').allTextContents()).toEqual(['NON-STRICT', 'not run']);
    await unfold('1.1.1');
    expect(await row('1.1.1').locator('.agent').allTextContents()).toEqual(['peer', 'other']);
    expect(await page.locator('.verdict').nth(1).innerText()).toContain('as a client');
  });

  test('shows text of a hostile peer, and executes none of it', async () => {
    await open([
      caseResult(
        {
          agent: hostile,
          behavior: 'FAILED',
          description: hostile,
          received: [['message', hostile, false]],
          remoteCloseReason: hostile,
          httpResponse: hostile,
        },
        {
          failure: hostile,
          trace: [frame({ text: hostile }), frame({ opcode: 8, closeCode: 1000, closeReason: hostile })],
        },
      ),
    ]);
    await unfold('1.1.1');
    expect(await row('1.1.1').locator('.why').textContent()).toBe(hostile);
    expect(await page.locator('img').count()).toBe(0);
    expect(await page.evaluate('window.isOwned')).toBeUndefined();
    expect(complaints).toEqual([]);
  });

  test('would execute nothing even if markup were not escaped', async () => {
    await open(results);
    const path = join(folder, 'index.html');
    writeFileSync(path, readFileSync(path, 'utf8').replace('<main>', '<main><script>window.isOwned = true</script>'));
    await page.goto(String(pathToFileURL(path)));
    expect(await page.evaluate('window.isOwned')).toBeUndefined();
    expect(await shown()).toHaveLength(5);
    expect(complaints.join()).toContain('Content Security Policy');
  });
});
