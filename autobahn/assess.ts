import type { Behavior, CloseBehavior, ExpectedClose } from './report/case-result.ts';
import { describeEvent, isSame, type ReceivedEvent } from './session/received-event.ts';
import type { Outcome } from './session/session.ts';

/** Expected events, grouped by the behavior that they prove. */
export type Expected = Readonly<Partial<Record<Behavior, readonly ReceivedEvent[]>>>;

export interface Assessment {
  readonly behavior: Behavior;
  readonly result: string;
  readonly behaviorClose: CloseBehavior;
  readonly resultClose: string;
}

const areSame = (a: readonly ReceivedEvent[], b: readonly ReceivedEvent[]): boolean =>
  a.length === b.length && a.every((event, index) => isSame(event, b[index] as ReceivedEvent));

/** Describes the first difference between received and expected events. */
function describeDifference(received: readonly ReceivedEvent[], expected: readonly ReceivedEvent[]): string {
  const index = received.findIndex((event, position) => {
    const other = expected[position];
    return other === undefined || !isSame(event, other);
  });
  const position = index === -1 ? received.length : index;
  const [came, wanted] = [received[position], expected[position]];
  if (wanted === undefined)
    return `${describeEvent(came as ReceivedEvent)} was received, but nothing more was expected`;
  if (came === undefined) return `${describeEvent(wanted)} was expected but not received`;
  if (came.type === 'message' && wanted.type === 'message' && came.isBinary === wanted.isBinary) {
    const at = came.payload.findIndex((octet, place) => octet !== wanted.payload[place]);
    const place = at === -1 ? Math.min(came.payload.length, wanted.payload.length) : at;
    return `${describeEvent(wanted)} was expected; ${describeEvent(came)} was received, which differs from octet ${place} on`;
  }
  return `${describeEvent(wanted)} was expected; ${describeEvent(came)} was received`;
}

function assessEvents(outcome: Outcome, expected: Expected): Pick<Assessment, 'behavior' | 'result'> {
  const { received, violation } = outcome;
  if (violation !== null) return { behavior: 'FAILED', result: `The peer broke the protocol: ${violation}.` };
  for (const behavior of ['OK', 'NON-STRICT', 'INFORMATIONAL'] as const) {
    const list = expected[behavior];
    if (list !== undefined && areSame(received, list)) {
      return { behavior, result: `The received events are ${behavior} in this case.` };
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
    return verdict(
      'FAILED',
      closedByMe
        ? 'The peer should have closed the connection but did not.'
        : 'The peer closed the connection unexpectedly.',
    );
  }
  if (outcome.wasCloseHandshakeTimeout) return verdict('UNCLEAN', 'The peer did not answer our close frame in time.');
  if (expected.requireClean && !wasClean) {
    return verdict('UNCLEAN', 'The TCP connection ended before the closing handshake was completed.');
  }
  const code = remoteClose?.code ?? null;
  if (code !== null && !expected.closeCode.includes(code)) {
    return verdict('WRONG CODE', `The close code was ${code}; expected ${expected.closeCode.join(' or ')}.`);
  }
  if (outcome.wasServerConnectionDropTimeout) {
    return verdict('FAILED BY CLIENT', 'The server must end the TCP connection first but did not (§7.1.1).');
  }
  return verdict('OK', 'The connection was closed as expected.');
}

const capitalize = (text: string): string => text.slice(0, 1).toUpperCase() + text.slice(1);

/** Assesses the outcome of a case. Equal outcomes have equal assessments, whatever happened in between. */
export function assess(outcome: Outcome, expected: Expected, close: ExpectedClose): Assessment {
  return { ...assessEvents(outcome, expected), ...assessClose(outcome, close) };
}

/** Assessment of a case whose outcome the RFC leaves undefined. */
export const informational: Assessment = {
  behavior: 'INFORMATIONAL',
  result: 'The RFC leaves the outcome open.',
  behaviorClose: 'INFORMATIONAL',
  resultClose: 'The RFC leaves the outcome open.',
};

/** Assessment of a case that requires permessage-deflate if the peer did not agree to it. */
export const unimplemented: Assessment = {
  behavior: 'UNIMPLEMENTED',
  result: 'The peer did not agree to permessage-deflate.',
  behaviorClose: 'UNIMPLEMENTED',
  resultClose: 'The peer did not agree to permessage-deflate.',
};

/** Returns the assessment of a case whose connection did not open, or that could not run because of the peer. */
export const failed = (why: string): Assessment => ({
  behavior: 'FAILED',
  result: `${capitalize(why)}.`,
  behaviorClose: 'FAILED',
  resultClose: `${capitalize(why)}.`,
});
