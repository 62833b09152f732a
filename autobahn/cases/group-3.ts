import { message } from '../session/received-event.ts';
import type { Chop } from '../wire/chops.ts';
import { encodeClose } from '../wire/close-payload.ts';
import { type OutgoingFrame, opcodes } from '../wire/frame.ts';
import { type CaseDefinition, failure } from './case-definition.ts';
import { utf8 } from './payloads.ts';

const text: OutgoingFrame = { opcode: opcodes.text, payload: utf8('Hello, goodwire!') };
const ping: OutgoingFrame = { opcode: opcodes.ping, payload: utf8('too late') };

/** Returns a case that sends a single frame with reserved bits. */
function alone(number: number, what: string, expectation: string, frame: OutgoingFrame): CaseDefinition {
  return {
    id: `3.${number}`,
    description: `Send ${what} with RSV = ${number}.`,
    expectation: `The connection is failed immediately${expectation}`,
    plan: () => ({
      expected: { OK: [] },
      close: frame.opcode === opcodes.close ? { ...failure(1002), closedByMe: true } : failure(1002),
      act: (session) =>
        frame.opcode === opcodes.close
          ? session.sendClose(frame.payload, number)
          : session.send({ ...frame, rsv: number }),
    }),
  };
}

/** Returns a case that sends a message, the same message with reserved bits, and a ping that must not be answered. */
function between(number: number, how: Chop, sent: string): CaseDefinition {
  return {
    id: `3.${number}`,
    description: `Send small text message, then send again with RSV = ${number}, then send Ping.${sent}`,
    expectation:
      'Echo for first message is received, but then connection is failed immediately, since RSV must be 0, when no extension defining RSV meaning has been negotiated. The Pong is not received.',
    plan: () => ({
      expected: { OK: [message(text.payload, false)], 'NON-STRICT': [] },
      close: failure(1002),
      act: (session) => session.send([text, { ...text, rsv: number }, ping], how),
    }),
  };
}

/** Reserved bits without an extension that defines them. */
export const group3: readonly CaseDefinition[] = [
  alone(
    1,
    'small text message',
    ' (1002/protocol error), since RSV must be 0, when no extension defining RSV meaning has been negotiated.',
    text,
  ),
  between(2, 'whole', ''),
  between(3, 'frames', ' Octets are sent in frame-wise chops. Octets are sent in octet-wise chops.'),
  between(4, 1, ' Octets are sent in octet-wise chops.'),
  alone(5, 'small binary message', ', since RSV must be 0.', { opcode: opcodes.binary, payload: text.payload }),
  alone(6, 'Ping', ', since RSV must be 0.', ping),
  // Has a code, because a peer that ignores the bits would answer with the same code and thus be detected.
  alone(7, 'Close', ', since RSV must be 0.', { opcode: opcodes.close, payload: encodeClose(1000) }),
];
