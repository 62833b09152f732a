import type { Behavior, CloseBehavior, ExpectedClose } from './report/case-result.ts';
import { describeEvent, isSame, type ReceivedEvent } from './session/received-event.ts';
import type { Outcome } from './session/session.ts';

/** What may come, by what it is worth. */
export type Expected = Readonly<Partial<Record<Behavior, readonly ReceivedEvent[]>>>;

export interface Assessment {
  readonly behavior: Behavior;
  readonly result: string;
  readonly behaviorClose: CloseBehavior;
  readonly resultClose: string;
}

const areSame = (a: readonly ReceivedEvent[], b: readonly ReceivedEvent[]): boolean =>
  a.length === b.length && a.every((event, index) => isSame(event, b[index] as ReceivedEvent));

/** In words, the first place at which what came is not what was expected. */
function describeDifference(received: readonly ReceivedEvent[], expected: readonly ReceivedEvent[]): string {
  const index = received.findIndex((event, position) => {
    const other = expected[position];
    return other === undefined || !isSame(event, other);
  });
  const position = index === -1 ? received.length : index;
  const [came, wanted] = [received[position], expected[position]];
  if (wanted === undefined) return `${describeEvent(came as ReceivedEvent)} came, where nothing more was expected`;
  if (came === undefined) return `${describeEvent(wanted)} was expected and did not come`;
  if (came.type === 'message' && wanted.type === 'message' && came.isBinary === wanted.isBinary) {
    const at = came.payload.findIndex((octet, place) => octet !== wanted.payload[place]);
    const place = at === -1 ? Math.min(came.payload.length, wanted.payload.length) : at;
    return `${describeEvent(wanted)} was expected; ${describeEvent(came)} came, which differs from octet ${place} on`;
  }
  return `${describeEvent(wanted)} was expected; ${describeEvent(came)} came`;
}

function assessEvents(outcome: Outcome, expected: Expected): Pick<Assessment, 'behavior' | 'result'> {
  const { received, violation } = outcome;
  if (violation !== null) return { behavior: 'FAILED', result: `The peer broke the protocol: ${violation}.` };
  for (const behavior of ['OK', 'NON-STRICT', 'INFORMATIONAL'] as const) {
    const list = expected[behavior];
    if (list !== undefined && areSame(received, list)) {
      return { behavior, result: `What came is what is ${behavior} here.` };
    }
  }
  const wanted = expected.OK ?? [];
  return { behavior: 'FAILED', result: `${capitalize(describeDifference(received, wanted))}.` };
}

function assessClose(outcome: Outcome, expected: ExpectedClose): Pick<Assessment, 'behaviorClose' | 'resultClose'> {
  const { remoteClose, closedByMe, wasClean } = outcome;
  const verdict = (behaviorClose: CloseBehavior, resultClose: string) => ({ behaviorClose, resultClose });
  if (outcome.abandoned !== null && !outcome.wasCloseHandshakeTimeout && !outcome.wasServerConnectionDropTimeout) {
    return verdict('FAILED', `We gave up: ${outcome.abandoned}.`);
  }
  if (closedByMe !== expected.closedByMe) {
    return verdict('FAILED', closedByMe ? 'The peer had to close and did not.' : 'The peer closed without a reason.');
  }
  if (outcome.wasCloseHandshakeTimeout) return verdict('UNCLEAN', 'The peer did not answer our close frame in time.');
  if (expected.requireClean && !wasClean) {
    return verdict('UNCLEAN', 'The TCP connection ended before the closing handshake was finished.');
  }
  const code = remoteClose?.code ?? null;
  if (code !== null && !expected.closeCode.includes(code)) {
    return verdict('WRONG CODE', `The close code was ${code}, where ${expected.closeCode.join(' or ')} is right.`);
  }
  if (outcome.wasServerConnectionDropTimeout) {
    return verdict('FAILED BY CLIENT', 'The server has to end the TCP connection first, and did not (§7.1.1).');
  }
  return verdict('OK', 'The connection was closed as it should be.');
}

const capitalize = (text: string): string => text.slice(0, 1).toUpperCase() + text.slice(1);

/** What a case came to. The same outcome has the same assessment, whatever happened in between. */
export function assess(outcome: Outcome, expected: Expected, close: ExpectedClose): Assessment {
  return { ...assessEvents(outcome, expected), ...assessClose(outcome, close) };
}

/** The assessment of a case whose outcome is undefined by the RFC. */
export const informational: Assessment = {
  behavior: 'INFORMATIONAL',
  result: 'The RFC does not say what has to happen here.',
  behaviorClose: 'INFORMATIONAL',
  resultClose: 'The RFC does not say what has to happen here.',
};

/** The assessment of a case that needs permessage-deflate, of a peer that did not agree to it. */
export const unimplemented: Assessment = {
  behavior: 'UNIMPLEMENTED',
  result: 'The peer did not agree to permessage-deflate.',
  behaviorClose: 'UNIMPLEMENTED',
  resultClose: 'The peer did not agree to permessage-deflate.',
};

/** The assessment of a case whose connection did not open, or which the peer kept us from running. */
export const failed = (why: string): Assessment => ({
  behavior: 'FAILED',
  result: `${capitalize(why)}.`,
  behaviorClose: 'FAILED',
  resultClose: `${capitalize(why)}.`,
});
