/**
 * Script of the report. It filters the list, and builds the details of a case on opening, from the JSON in the page. It
 * only uses `textContent`, because the data comes from a peer.
 */
export const reportScript = String.raw`
'use strict';
const data = JSON.parse(document.getElementById('data').textContent);
const rows = [...document.querySelectorAll('.case')];
const groups = [...document.querySelectorAll('.group')];
const search = document.getElementById('search');
const pattern = document.getElementById('pattern');
const pills = [...document.querySelectorAll('.filter [name=status]')];
const opcodes = { 0: 'CONT', 1: 'TEXT', 2: 'BINARY', 8: 'CLOSE', 9: 'PING', 10: 'PONG' };

function el(name, className, ...children) {
  const element = document.createElement(name);
  if (className) element.className = className;
  for (const child of children) if (child !== null && child !== undefined) element.append(child);
  return element;
}

/** Shows text of a peer, isolated so that it cannot change the direction of the text around it. */
function foreign(text) {
  return el('bdi', '', String(text).replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/g, '\ufffd'));
}

function heading(text) {
  return el('h3', '', text);
}

function facts(pairs) {
  const list = el('dl', 'facts');
  for (const [name, value] of pairs) if (value) list.append(el('dt', '', name), el('dd', '', value));
  return list;
}

function badge(text, grade) {
  return el('span', 'badge ' + grade, text);
}

function events(list) {
  if (list.length === 0) return el('p', 'soft', 'nothing');
  return el('ul', 'events', ...list.map((event) => el('li', '', foreign(event))));
}

function hexOf(frame) {
  return frame.hex.replace(/(..)/g, '$1 ').trim();
}

function payloadOf(frame) {
  if (frame.opcode === 8 && frame.closeCode !== null) {
    return el('span', '', frame.closeCode + (frame.closeReason ? ' ' : ''), frame.closeReason ? foreign(frame.closeReason) : null);
  }
  const rest = frame.length - frame.hex.length / 2;
  const more = rest > 0 ? el('span', 'soft', ' … and ' + rest + ' octets') : null;
  if (frame.length === 0) return el('span', 'soft', 'no payload');
  if (frame.text !== null) return el('span', '', foreign('“' + frame.text + '”'), more);
  return el('span', '', hexOf(frame), more);
}

function traceRow(entry, before) {
  const at = entry.at.toFixed(1);
  const since = before === null ? '' : '+' + (entry.at - before).toFixed(1);
  const arrow = entry.direction === 'in' ? '←' : entry.direction === 'out' ? '→' : '';
  const cells = [el('td', 'at', at), el('td', 'at', since), el('td', 'arrow', arrow)];
  if (entry.kind !== 'frame') {
    const cell = el('td', 'payload', foreign(entry.text));
    cell.colSpan = 3;
    return el('tr', 'remark ' + (entry.direction || ''), ...cells, el('td', '', entry.kind), cell);
  }
  const bits = [
    entry.fin ? 'FIN' : null,
    entry.rsv & 4 ? 'RSV1' : null,
    entry.rsv & 2 ? 'RSV2' : null,
    entry.rsv & 1 ? 'RSV3' : null,
    entry.mask === null ? null : 'mask',
  ];
  const bitsCell = el('td', '', bits.filter(Boolean).join(' '));
  if (entry.mask !== null) bitsCell.title = 'masking key ' + entry.mask;
  return el(
    'tr',
    entry.direction,
    ...cells,
    el('td', 'kind', opcodes[entry.opcode] || 'opcode 0x' + entry.opcode.toString(16)),
    bitsCell,
    el('td', 'at', String(entry.length)),
    el('td', 'payload', payloadOf(entry)),
  );
}

function wireLog(view) {
  const head = el('tr', '');
  for (const title of ['ms', 'since', '', 'frame', 'bits', 'octets', 'payload']) head.append(el('th', '', title));
  const body = el('tbody', '');
  let before = null;
  view.trace.forEach((entry, index) => {
    if (view.omitted > 0 && index === Math.ceil(view.trace.length / 2)) {
      const cell = el('td', '', view.omitted + ' more entries');
      cell.colSpan = 7;
      body.append(el('tr', 'gap', cell));
      before = null;
    }
    body.append(traceRow(entry, before));
    before = entry.at;
  });
  return el('div', 'wire', el('table', '', el('thead', '', head), body));
}

function agentSection(agent, view) {
  const title = el('p', 'agent', foreign(agent.name));
  if (view === null) return el('section', '', title, el('p', 'soft', 'not run'));
  const why = [view.failure, view.violation].filter(Boolean);
  const section = el('section', '', title);
  if (why.length > 0) {
    section.append(el('div', 'why ' + view.grade, ...[...new Set(why)].map((text) => el('p', '', foreign(text)))));
  }
  section.append(
    facts([
      ['Behavior', el('span', '', badge(view.behavior, view.behavior === view.status ? view.grade : 'none'), ' ', foreign(view.result))],
      ['Close', el('span', '', badge(view.behaviorClose, view.behaviorClose === view.status ? view.grade : 'none'), ' ', foreign(view.resultClose))],
      ['End', foreign(view.ending)],
      ['Extension', view.extensions ? el('code', '', foreign(view.extensions)) : null],
      ['Duration', view.duration + ' ms, from ' + view.started],
    ]),
    heading('Received'),
    events(view.received),
  );
  for (const { worth, events: list } of view.expected) section.append(heading('Expected for ' + worth), events(list));
  section.append(el('p', 'soft', 'Expected end: ' + view.expectedEnding + '.'));
  section.append(heading('On the wire (← from the peer, → to it)'), wireLog(view));
  if (view.httpRequest || view.httpResponse) {
    const http = el('details', 'http', el('summary', '', 'Opening handshake'));
    for (const text of [view.httpRequest, view.httpResponse]) if (text) http.append(el('pre', '', foreign(text.trim())));
    section.append(http);
  }
  return section;
}

function fill(row) {
  const detail = row.querySelector('.detail');
  if (detail.childElementCount > 0) return;
  const { description, expectation, views } = data.cases[Number(row.dataset.index)];
  detail.append(
    heading('Sent'), el('p', '', foreign(description)),
    heading('Expected'), el('p', '', foreign(expectation)),
    el('div', 'columns', ...views.map((view, index) => agentSection(data.agents[index], view))),
  );
}

/** Compiles patterns such as 6.4.* and 7.9.*, separated by commas or spaces; a star matches any text. */
function compile(text) {
  const parts = text.split(/[\s,]+/).filter(Boolean);
  if (parts.length === 0) return null;
  const sources = parts.map((part) => part.replace(/[^\w*]/g, '\\$&').replace(/\*+/g, '.*'));
  return new RegExp('^(?:' + sources.join('|') + ')(?:\\.|$)');
}

function filter() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  const ids = compile(pattern.value);
  const chosen = new Set(pills.filter((pill) => pill.checked).map((pill) => pill.value));
  let shown = 0;
  for (const row of rows) {
    const entry = data.cases[Number(row.dataset.index)];
    entry.text ??= JSON.stringify([entry.id, entry.description, entry.expectation, entry.views.map((view) => view && [
      view.failure, view.violation, view.result, view.resultClose, view.status, view.extensions, view.received])]).toLowerCase();
    const isShown = entry.views.some((view) => view !== null && chosen.has(view.status)) &&
      (ids === null || ids.test(entry.id)) && words.every((word) => entry.text.includes(word));
    row.hidden = !isShown;
    if (isShown) shown++;
  }
  for (const group of groups) {
    const count = group.querySelectorAll('.case:not([hidden])').length;
    group.hidden = count === 0;
    group.querySelector('.count').textContent = count + (count === 1 ? ' case' : ' cases');
  }
  document.getElementById('shown').textContent = shown + ' of ' + rows.length + ' cases';
  document.getElementById('nothing').hidden = shown > 0;
}

function openFromAddress() {
  const row = document.getElementById('case-' + location.hash.slice(1));
  if (row === null || !rows.includes(row)) return;
  row.hidden = false;
  row.closest('.group').hidden = false;
  row.open = true;
  row.scrollIntoView();
}

for (const row of rows) {
  row.addEventListener('toggle', () => {
    if (!row.open) return;
    fill(row);
    history.replaceState(null, '', '#' + data.cases[Number(row.dataset.index)].id);
  });
}
for (const input of [search, pattern, ...pills]) input.addEventListener('input', filter);
for (const button of document.querySelectorAll('[data-group]')) {
  button.addEventListener('click', () => {
    pattern.value = pattern.value === button.dataset.group + '.*' ? '' : button.dataset.group + '.*';
    filter();
    document.querySelector('.filter').scrollIntoView();
  });
}
addEventListener('hashchange', openFromAddress);
filter();
openFromAddress();
`;
