import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CaseResult } from './case-result.ts';
import { groupTitles } from './group-titles.ts';
import { type Html, html, jsonInScript, trusted } from './html.ts';
import { type Agent, arrange, type CaseRow, type CaseView, gradeOf, type ReportData, rankOf } from './report-data.ts';
import { reportScript } from './report-script.ts';
import { reportStyle } from './report-style.ts';

/** Writes `index.html` into an existing directory: {@link formatHtmlReport}. */
export function writeHtmlReport(directory: string, results: readonly CaseResult[]): void {
  writeFileSync(join(directory, 'index.html'), formatHtmlReport(results));
}

/**
 * Formats the report of a run as one self-contained page, which works from a file and from a server. It has a summary
 * by group and a filter. For each case it shows the expected and received events, the reason of a failure, and the
 * frames on the wire. Results of several agents are side by side. Data of a peer is shown as text only, and only the
 * page's own script runs.
 */
export function formatHtmlReport(results: readonly CaseResult[]): string {
  const data = arrange(results);
  const started = results.map((result) => result.started).sort()[0];
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src ${sourceOf(reportStyle)}; script-src ${sourceOf(reportScript)}; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>WebSocket conformance: ${data.agents.map((agent) => agent.name).join(', ')}</title>
<style>${trusted(reportStyle)}</style>
</head>
<body>
<header>
<h1>WebSocket conformance</h1>
<p class="soft">${countOf(data.cases.length, 'case')} of the Autobahn catalogue, run by <code>goodwire conformance</code>${started === undefined ? '' : ` on ${started.slice(0, 16).replace('T', ' ')} UTC`}</p>
<div class="verdicts">${data.agents.map((agent, index) => verdict(agent, viewsOf(data.cases, index)))}</div>
</header>
<main>
<h2>By group</h2>
<div class="wide">${summary(data)}</div>
<h2>The cases <span class="soft" id="shown"></span></h2>
${filter(data)}
<noscript><p>Without JavaScript this page can neither filter nor show the details of a case. The JSON files in the same directory contain them.</p></noscript>
<p id="nothing" hidden>No case matches the filter.</p>
${groupsOf(data).map((group) => groupSection(group, data))}
</main>
<footer>
<p>The result of a case is the worse of its two verdicts: the behavior of the peer, and the close of the connection. INFORMATIONAL: RFC 6455 leaves the outcome open. NON-STRICT: correct, but later than possible.</p>
</footer>
<script type="application/json" id="data">${jsonInScript(data)}</script>
<script>${trusted(reportScript)}</script>
</body>
</html>
`;
  return page.html;
}

/** Returns the Content Security Policy source that allows only this style sheet or script. */
function sourceOf(text: string): Html {
  return trusted(`'sha256-${createHash('sha256').update(text).digest('base64')}'`);
}

function countOf(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

function viewsOf(cases: readonly CaseRow[], agent: number): CaseView[] {
  return cases.map((row) => row.views[agent] ?? null).filter((view) => view !== null);
}

/** Returns the number of views by status, best first. */
function tallyOf(views: readonly CaseView[]): [status: string, count: number][] {
  const counts = new Map<string, number>();
  for (const { status } of views) counts.set(status, (counts.get(status) ?? 0) + 1);
  return [...counts].sort(([left], [right]) => rankOf(left) - rankOf(right));
}

function isGood(view: CaseView): boolean {
  return view.grade === 'good' || view.grade === 'neutral';
}

function verdict(agent: Agent, views: readonly CaseView[]): Html {
  const bad = views.filter((view) => !isGood(view)).length;
  const words = tallyOf(views).map(([status, count]) => `${count} ${status}`);
  return html`<div class="verdict ${bad === 0 && 'good'}"><strong title="${agent.name}"><bdi>${agent.name}</bdi></strong>
<span class="soft">as a ${agent.role}</span><br>${bad === 0 ? 'all cases passed' : `${bad} of ${countOf(views.length, 'case')} failed`}<br>
<span class="soft">${words.join(', ')}</span></div>`;
}

interface Group {
  readonly name: string;
  readonly title: string;
  readonly rows: readonly CaseRow[];
}

function groupsOf({ cases }: ReportData): Group[] {
  const names = [...new Set(cases.map((row) => row.group))];
  return names.map((name) => ({
    name,
    title: groupTitles.get(name) ?? '',
    rows: cases.filter((row) => row.group === name),
  }));
}

function summary(data: ReportData): Html {
  const cell = (rows: readonly CaseRow[], agent: number): Html => {
    const tally = tallyOf(viewsOf(rows, agent));
    const total = tally.reduce((sum, [, count]) => sum + count, 0);
    const numbers = tally.map(([status, count]) => html`<span>${count} ${status}</span> `);
    // Drawn as SVG, because the policy forbids style attributes.
    const bar = tally.map(
      ([status, count]) =>
        html`<rect class="${gradeOf(status)}" x="${offsetOf(tally, status, total)}" width="${(count / total) * 100}" height="6"/>`,
    );
    return html`<td><div class="tally"><svg class="bar" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">${bar}</svg><span class="numbers">${total === 0 ? 'not run' : numbers}</span></div></td>`;
  };
  return html`<table class="summary ${data.agents.length > 2 && 'many'}">
<thead><tr><th scope="col">group</th>${data.agents.map((agent) => html`<th scope="col" title="${agent.name}"><bdi>${agent.name}</bdi></th>`)}</tr></thead>
<tbody>${groupsOf(data).map(
    ({
      name,
      title,
      rows,
    }) => html`<tr><th scope="row"><button type="button" data-group="${name}">${name} ${title}</button></th>${data.agents.map((_, index) => cell(rows, index))}</tr>
`,
  )}</tbody>
</table>`;
}

function offsetOf(tally: readonly (readonly [string, number])[], status: string, total: number): number {
  const before = tally.slice(
    0,
    tally.findIndex(([name]) => name === status),
  );
  return (before.reduce((sum, [, count]) => sum + count, 0) / total) * 100;
}

function filter(data: ReportData): Html {
  const tally = tallyOf(data.cases.flatMap((row) => row.views.filter((view) => view !== null)));
  const pills = tally.map(
    ([status, count]) =>
      html`<label class="pill ${gradeOf(status)}-pill"><input type="checkbox" name="status" value="${status}" checked autocomplete="off">${status} ${count}</label>`,
  );
  return html`<div class="filter" role="search"><label>Find <input type="search" id="search" placeholder="ping, 1007, “κόσμε” …" autocomplete="off"></label>
<label>Cases <input type="text" id="pattern" placeholder="6.4.*, 9.*" autocomplete="off" spellcheck="false"></label>
<fieldset aria-label="Status">${pills}</fieldset></div>`;
}

function groupSection({ name, title, rows }: Group, data: ReportData): Html {
  return html`<section class="group"><h2>${name} ${title} <span class="soft count">${countOf(rows.length, 'case')}</span></h2>
<div class="cases">${rows.map((row) => caseRow(row, data.cases.indexOf(row), data.agents))}</div></section>
`;
}

function caseRow({ id, description, views }: CaseRow, index: number, agents: readonly Agent[]): Html {
  const badges = views.map((view, agent) => {
    const { name } = agents[agent]!;
    return view === null
      ? html`<span class="badge none" title="${name}">not run</span>`
      : html`<span class="badge ${view.grade}" title="${name}">${view.status}</span>`;
  });
  const durations = views.filter((view) => view !== null).map((view) => view.duration);
  return html`<details class="case" id="case-${id}" data-index="${index}"><summary><span class="id">${id}</span><span class="about"><bdi>${description}</bdi></span>
<span class="marks">${badges}</span><span class="time">${formatDuration(Math.max(...durations))}</span></summary><div class="detail"></div></details>
`;
}

function formatDuration(milliseconds: number): string {
  return milliseconds < 10_000 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1000).toFixed(1)} s`;
}
