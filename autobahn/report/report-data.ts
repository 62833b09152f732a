import { compareCaseIds } from '../checker/compare-case-ids.ts';
import type { CaseResult, ReportedEvent, TraceEntry } from './case-result.ts';

/** Grade of a status, which determines its colour. */
export type Grade = 'good' | 'neutral' | 'weak' | 'bad';

/** Best first. Other statuses are the worst. */
const statuses: readonly (readonly [status: string, grade: Grade])[] = [
  ['OK', 'good'],
  ['INFORMATIONAL', 'neutral'],
  ['UNIMPLEMENTED', 'weak'],
  ['NON-STRICT', 'weak'],
  ['WRONG CODE', 'bad'],
  ['UNCLEAN', 'bad'],
  ['FAILED BY CLIENT', 'bad'],
  ['FAILED', 'bad'],
];

/** Position in the order from good to bad, starting at 0. */
export function rankOf(status: string): number {
  const index = statuses.findIndex(([name]) => name === status);
  return index < 0 ? statuses.length : index;
}

export function gradeOf(status: string): Grade {
  return statuses[rankOf(status)]?.[1] ?? 'bad';
}

/** Returns the status of a case: the worse of the peer's behavior and the end of the connection. */
export function statusOf({ behavior, behaviorClose }: Pick<CaseResult, 'behavior' | 'behaviorClose'>): string {
  return rankOf(behaviorClose) > rankOf(behavior) ? behaviorClose : behavior;
}

/** Data of one case of one agent in the page. Serialized as JSON. */
export interface CaseView {
  readonly status: string;
  readonly grade: Grade;
  readonly behavior: string;
  readonly behaviorClose: string;
  readonly failure: string | null;
  readonly violation: string | null;
  readonly result: string;
  readonly resultClose: string;
  readonly duration: number;
  readonly started: string;
  readonly ending: string;
  readonly expected: readonly { readonly worth: string; readonly events: readonly string[] }[];
  readonly expectedEnding: string;
  readonly received: readonly string[];
  readonly extensions: string | null;
  readonly httpRequest: string;
  readonly httpResponse: string;
  readonly trace: readonly TraceEntry[];
  /** Number of entries omitted between the two halves of `trace`, or never recorded. */
  readonly omitted: number;
}

/** Case with the views of all agents, in the order of `ReportData.agents`; null for agents that did not run it. */
export interface CaseRow {
  readonly id: string;
  readonly group: string;
  readonly description: string;
  readonly expectation: string;
  readonly views: readonly (CaseView | null)[];
}

export interface Agent {
  readonly name: string;
  /** Role of the agent. */
  readonly role: 'server' | 'client';
}

export interface ReportData {
  readonly agents: readonly Agent[];
  /** In the order of their ids. */
  readonly cases: readonly CaseRow[];
}

/**
 * Maximum number of log entries of a good case in the page, so that pages with hundreds of cases stay small. Other logs
 * are complete.
 */
const MAX_GOOD_TRACE = 40;
const MAX_NAME = 200;

/** Arranges results by case and agent. If an agent has run a case twice, the later result applies. */
export function arrange(results: readonly CaseResult[]): ReportData {
  const names = [...new Set(results.map((result) => result.agent))];
  const byId = new Map<string, (CaseResult | undefined)[]>();
  for (const result of results) {
    const found = byId.get(result.id) ?? new Array<CaseResult | undefined>(names.length).fill(undefined);
    found[names.indexOf(result.agent)] = result;
    byId.set(result.id, found);
  }
  const cases = [...byId].map(([id, found]): CaseRow => {
    const { description, expectation } = found.find((result) => result !== undefined)!;
    const views = found.map((result) => (result === undefined ? null : view(result)));
    return { id, group: id.split('.', 1)[0]!, description, expectation, views };
  });
  const agents = names.map((name): Agent => {
    const { isServer } = results.find((result) => result.agent === name)!;
    return {
      name: name.length > MAX_NAME ? `${name.slice(0, MAX_NAME)}…` : name,
      role: isServer ? 'client' : 'server',
    };
  });
  return { agents, cases: cases.sort((left, right) => compareCaseIds(left.id, right.id)) };
}

function view(result: CaseResult): CaseView {
  const status = statusOf(result);
  const grade = gradeOf(status);
  const { trace, traceOmitted, failure, violation, extensions } = result.goodwire;
  const limit = grade === 'good' ? MAX_GOOD_TRACE : trace.length;
  const isCut = trace.length > limit;
  return {
    status,
    grade,
    behavior: result.behavior,
    behaviorClose: result.behaviorClose,
    failure,
    violation,
    result: result.result,
    resultClose: result.resultClose,
    duration: result.duration,
    started: result.started,
    ending: describeEnding(result),
    expected: Object.entries(result.expected).map(([worth, events]) => ({
      worth,
      events: (events ?? []).map(describeEvent),
    })),
    expectedEnding: describeExpectedEnding(result),
    received: result.received.map(describeEvent),
    extensions,
    httpRequest: result.httpRequest,
    httpResponse: result.httpResponse,
    trace: isCut ? [...trace.slice(0, limit / 2), ...trace.slice(-limit / 2)] : trace,
    omitted: traceOmitted + (isCut ? trace.length - limit : 0),
  };
}

function describeEvent(event: ReportedEvent): string {
  switch (event[0]) {
    case 'message':
      return `${event[2] ? 'binary' : 'text'} message ${event[1] === '' ? '(empty)' : event[1]}`;
    case 'ping':
    case 'pong':
      return `${event[0]} ${event[1] === '' ? '(empty)' : event[1]}`;
    case 'timeout':
      return `timeout ${event[1]}`;
    case 'roundtrips':
      return `${event[1]} messages came back unchanged`;
  }
}

function describeExpectedEnding({ expectedClose: { closedByMe, closeCode, requireClean } }: CaseResult): string {
  const who = closedByMe ? 'we close' : 'the peer closes';
  const code = closeCode.length === 0 ? 'with any code' : `with ${closeCode.join(' or ')}`;
  return `${who} ${code}${requireClean ? ', and the closing handshake must be completed' : ', or drops the connection'}`;
}

function describeEnding(result: CaseResult): string {
  const frame = (who: string, code: number | null, reason: string | null): string =>
    `${who} ${code === null ? 'no close code' : `close code ${code}`}${reason ? ` (${reason})` : ''}`;
  return [
    frame('we sent', result.localCloseCode, result.localCloseReason),
    frame('the peer sent', result.remoteCloseCode, result.remoteCloseReason),
    result.wasClean
      ? 'the closing handshake was completed'
      : `unclean: ${result.wasNotCleanReason ?? 'unknown reason'}`,
    result.droppedByMe ? 'we ended the TCP connection' : 'the peer ended the TCP connection',
  ].join('; ');
}
