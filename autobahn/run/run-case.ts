import type { Socket } from 'node:net';
import { type Assessment, assess, type Expected, failed, informational, unimplemented } from '../assess.ts';
import { type CaseDefinition, type CasePlan, concludeCase, groupOf } from '../cases/case-definition.ts';
import { caseNumber } from '../cases/catalogue.ts';
import { Patience } from '../patience.ts';
import type { Behavior, CaseResult, ReportedEvent } from '../report/case-result.ts';
import { type ReceivedEvent, reportEvent } from '../session/received-event.ts';
import { Recorder } from '../session/recorder.ts';
import { type Outcome, Session } from '../session/session.ts';
import type { DeflateAgreement } from '../wire/deflate-agreement.ts';
import { OpeningError } from '../wire/http-head.ts';

/** Connection after a successful opening handshake. */
export interface Opened {
  readonly socket: Socket;
  /** Data received behind the head of the handshake. */
  readonly rest: Buffer;
  readonly deflate: DeflateAgreement | null;
  /** Value of `Sec-WebSocket-Extensions` in the response. */
  readonly extensions: string | null;
}

export interface RunOptions {
  /** Name of the peer under test. */
  readonly agent: string;
  readonly role: 'client' | 'server';
  /** Maximum time for an answer of the peer in milliseconds. Default 3000. */
  readonly patience?: number;
  /** Maximum duration of each case in milliseconds, even if the case allows more. */
  readonly timeLimit?: number;
}

/** Heads of the opening handshake, as far as they were sent. */
export interface Heads {
  request: string;
  response: string;
}

export const defaultPatience = 3000;
const defaultTimeLimit = 30_000;

/**
 * Minimum of the maximum message length in bytes. The case itself detects excess data, unless that takes too much
 * memory.
 */
const minMaxMessage = 2 ** 20;

/** Maximum number of events in a report. */
const maxReported = 100;

function maxMessageOf(plan: CasePlan): number {
  const lengths = Object.values(plan.expected).flatMap((events) =>
    events.map((event) => (event.type === 'message' ? event.payload.length : 0)),
  );
  return Math.max(minMaxMessage, ...lengths);
}

const reportEvents = (events: readonly ReceivedEvent[]): ReportedEvent[] =>
  events.slice(0, maxReported).map((event) => reportEvent(event));

function reportExpected(expected: Expected): CaseResult['expected'] {
  const entries = Object.entries(expected).map(([behavior, events]) => [behavior, reportEvents(events)]);
  return Object.fromEntries(entries) as Partial<Record<Behavior, ReportedEvent[]>>;
}

/**
 * Opens a connection with `open` and runs the case on it. Never rejects because of the peer, whose behavior is part of
 * the result. Calls `onOpeningError` if the handshake failed.
 */
export async function runCase(
  definition: CaseDefinition,
  options: RunOptions,
  open: (recorder: Recorder, heads: Heads) => Promise<Opened>,
  onOpeningError: (error: OpeningError) => void = () => {},
): Promise<CaseResult> {
  const { patience = defaultPatience } = options;
  const recorder = new Recorder();
  const started = new Date().toISOString();
  const heads: Heads = { request: '', response: '' };
  const plan = definition.plan();
  let session: Session | null = null;
  let assessment: Assessment;
  let extensions: string | null = null;
  let isOpeningLate = false;
  try {
    const opened = await open(recorder, heads);
    ({ extensions } = opened);
    const { socket, rest, deflate } = opened;
    const maxMessage = maxMessageOf(plan);
    session = new Session(socket, { role: options.role, deflate, maxMessage, patience, recorder });
    const limit = Math.min(definition.timeLimit ?? defaultTimeLimit, options.timeLimit ?? Number.POSITIVE_INFINITY);
    const deadline = new Patience(limit, () => session?.abandon(`the case took more than ${limit / 1000} s`));
    try {
      session.start(rest);
      assessment = await conduct(definition, plan, session);
    } finally {
      deadline.stop();
      socket.destroy();
    }
  } catch (error) {
    if (!(error instanceof OpeningError)) throw error;
    onOpeningError(error);
    isOpeningLate = error.kind === 'late';
    assessment = failed(error.message);
  }
  return {
    ...describe(definition, options, plan),
    ...assessment,
    ...describeOutcome(session?.outcome ?? null),
    ...describeTraffic(recorder),
    started,
    duration: Math.round(recorder.elapsed),
    wasOpenHandshakeTimeout: isOpeningLate,
    httpRequest: heads.request,
    httpResponse: heads.response,
    goodwire: {
      group: groupOf(definition.id),
      trace: recorder.trace,
      traceOmitted: recorder.traceOmitted,
      failure: failureOf(assessment, session?.outcome ?? null),
      violation: session?.outcome.violation ?? null,
      extensions,
    },
  };
}

async function conduct(definition: CaseDefinition, plan: CasePlan, session: Session): Promise<Assessment> {
  if (definition.deflate !== undefined && session.deflate === null) {
    await session.close(1000);
    await session.awaitEnd();
    return unimplemented;
  }
  await plan.act(session);
  await concludeCase(session, plan);
  if (definition.isInformational) return informational;
  return assess(session.outcome, plan.expected, plan.close);
}

/** Returns the reason why the case is neither OK nor INFORMATIONAL. */
function failureOf(assessment: Assessment, outcome: Outcome | null): string | null {
  const { behavior, result, behaviorClose, resultClose } = assessment;
  const isGood = (name: string) => name === 'OK' || name === 'INFORMATIONAL';
  if (behavior === 'FAILED') return [result, ...describePeersClose(outcome)].join(' ');
  if (!isGood(behaviorClose)) return resultClose;
  if (behavior === 'NON-STRICT') return 'The peer failed the connection, but later than it could have.';
  return isGood(behavior) ? null : result;
}

/** Describes the peer's close frame if the peer closed first, because it may explain the failure. */
function describePeersClose(outcome: Outcome | null): string[] {
  if (outcome === null || outcome.closedByMe || outcome.remoteClose === null) return [];
  const { code, reason } = outcome.remoteClose;
  const said = reason === null ? '' : ` and the reason ${JSON.stringify(reason)}`;
  return [`The peer closed with ${code === null ? 'no close code' : `the close code ${code}`}${said}.`];
}

function describe(definition: CaseDefinition, options: RunOptions, plan: CasePlan) {
  const { id, description, expectation } = definition;
  return {
    case: caseNumber(id),
    id,
    description,
    expectation,
    agent: options.agent,
    expected: reportExpected(plan.expected),
    expectedClose: plan.close,
    reportTime: definition.reportTime ?? false,
    reportCompressionRatio: definition.deflate !== undefined,
    isServer: options.role === 'server',
    createStats: true,
    createWirelog: true,
  };
}

const nothingHappened: Outcome = {
  received: [],
  role: 'client',
  closedByMe: false,
  failedByMe: false,
  droppedByMe: false,
  wasClean: false,
  wasCloseHandshakeTimeout: false,
  wasServerConnectionDropTimeout: false,
  localClose: null,
  remoteClose: null,
  violation: null,
  abandoned: null,
};

function describeOutcome(outcome: Outcome | null) {
  const { received, localClose, remoteClose, ...flags } = outcome ?? nothingHappened;
  const why =
    flags.abandoned ?? flags.violation ?? 'the TCP connection ended before the closing handshake was completed';
  return {
    received: reportEvents(received),
    closedByMe: flags.closedByMe,
    failedByMe: flags.failedByMe,
    droppedByMe: flags.droppedByMe,
    wasClean: flags.wasClean,
    wasNotCleanReason: flags.wasClean ? null : outcome === null ? 'the opening handshake failed' : why,
    wasServerConnectionDropTimeout: flags.wasServerConnectionDropTimeout,
    wasCloseHandshakeTimeout: flags.wasCloseHandshakeTimeout,
    localCloseCode: localClose?.code ?? null,
    localCloseReason: localClose?.reason ?? null,
    remoteCloseCode: remoteClose?.code ?? null,
    remoteCloseReason: remoteClose?.reason ?? null,
  };
}

function describeTraffic(recorder: Recorder) {
  const { rxOctetStats, txOctetStats, rxFrameStats, txFrameStats, trafficStats } = recorder;
  return { rxOctetStats, txOctetStats, rxFrameStats, txFrameStats, trafficStats, wirelog: recorder.wireLog };
}
