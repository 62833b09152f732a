import { message } from '../session/received-event.ts';
import { type OutgoingFrame, opcodes } from '../wire/frame.ts';
import { type CaseDefinition, failure } from './case-definition.ts';
import { utf8 } from './payloads.ts';

const text: OutgoingFrame = { opcode: opcodes.text, payload: utf8('Hello, goodwire!') };
const ping: OutgoingFrame = { opcode: opcodes.ping, payload: utf8('too late') };
const reservedPayload = utf8('of no known kind');

/** Returns the five cases for reserved opcodes of one kind, from `first` on. */
function reserved(group: string, kind: string, first: number): CaseDefinition[] {
  return Array.from({ length: 5 }, (_, index) => {
    const opcode = first + index;
    // The first two are sent alone.
    const isAlone = index < 2;
    const hasPayload = [1, 3, 4].includes(index);
    const frame: OutgoingFrame = { opcode, payload: hasPayload ? reservedPayload : Buffer.alloc(0) };
    const which = `frame with reserved ${kind} Opcode = ${opcode}${hasPayload ? ' and non-empty payload' : ''}`;
    return {
      id: `4.${group}.${index + 1}`,
      description: isAlone ? `Send ${which}.` : `Send small text message, then send ${which}, then send Ping.`,
      expectation: isAlone
        ? 'The connection is failed immediately.'
        : 'Echo for first message is received, but then connection is failed immediately, since reserved opcode frame is used. A Pong is not received.',
      plan: () => ({
        expected: isAlone ? { OK: [] } : { OK: [message(text.payload, false)], 'NON-STRICT': [] },
        close: failure(1002),
        act: (session) => session.send(isAlone ? frame : [text, frame, ping]),
      }),
    };
  });
}

/** Reserved opcodes (§5.2). */
export const group4: readonly CaseDefinition[] = [...reserved('1', 'non-control', 3), ...reserved('2', 'control', 11)];
