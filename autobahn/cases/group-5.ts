import { message, pong, type ReceivedEvent } from '../session/received-event.ts';
import type { Chop } from '../wire/chops.ts';
import { type OutgoingFrame, opcodes } from '../wire/frame.ts';
import { type CaseDefinition, failure, normalClose } from './case-definition.ts';
import { utf8 } from './payloads.ts';

const one = utf8('the first part, ');
const two = utf8('the second part');
const both = Buffer.concat([one, two]);
const alone = utf8('a message in one frame');

const frame = (opcode: number, payload: Buffer, fin = true): OutgoingFrame => ({ opcode, payload, fin });
const ping = frame(opcodes.ping, utf8('in between'));
const fragments = [frame(opcodes.text, one, false), frame(opcodes.continuation, two)];

/** Returns a case whose frames the peer must assemble. */
function assembled(
  number: number,
  description: string,
  expectation: string,
  frames: readonly OutgoingFrame[],
  how: Chop,
): CaseDefinition {
  const pongs = frames.filter(({ opcode }) => opcode === opcodes.ping).map(({ payload }) => pong(payload));
  return {
    id: `5.${number}`,
    description,
    expectation,
    plan: () => ({
      expected: { OK: [...pongs, message(both, false)] },
      close: normalClose,
      act: (session) => session.send(frames, how),
    }),
  };
}

/** Returns a case in which the peer must fail the connection, a strict peer after `received`. */
function rejected(
  number: number,
  description: string,
  expectation: string,
  frames: readonly OutgoingFrame[],
  how: Chop = 'whole',
  received: readonly ReceivedEvent[] = [],
): CaseDefinition {
  return {
    id: `5.${number}`,
    description,
    expectation,
    plan: () => ({
      expected: received.length === 0 ? { OK: [] } : { OK: received, 'NON-STRICT': [] },
      close: failure(1002),
      act: (session) => session.send(frames, how),
    }),
  };
}

const controlFragmented = (number: number, name: string, opcode: number): CaseDefinition =>
  rejected(
    number,
    `Send ${name} fragmented into 2 fragments.`,
    'Connection is failed immediately, since control message MUST NOT be fragmented.',
    [frame(opcode, one, false), frame(opcodes.continuation, two)],
  );

const twoFragments = 'Send text Message fragmented into 2 fragments';
const echoed = "Message is processed and echo'ed back to us.";
const pongFirst = "A pong is received, then the message is echo'ed back to us.";
const nothingToContinue = 'The connection is failed immediately, since there is no message to continue.';

function continuationFirst(number: number, fin: boolean, how: Chop, sent: string): CaseDefinition {
  const name = fin ? 'true' : 'false';
  return rejected(
    number,
    `Send unfragmented Text Message after Continuation Frame with FIN = ${name}, where there is nothing to continue, sent in ${sent}.`,
    nothingToContinue,
    [frame(opcodes.continuation, one, fin), frame(opcodes.text, alone)],
    how,
  );
}

function repeated(number: number, fin: boolean): CaseDefinition {
  const round = [frame(opcodes.continuation, utf8('continues nothing'), fin), ...fragments];
  return rejected(
    number,
    `Repeated 2x: Continuation Frame with FIN = ${fin ? 'true' : 'false'} (where there is nothing to continue), then text Message fragmented into 2 fragments.`,
    nothingToContinue,
    [...round, ...round],
  );
}

const parts = Array.from({ length: 5 }, (_, index) => utf8(`part ${index + 1} of 5; `));
const [first, second] = [utf8('after two parts'), utf8('after four parts')];

/**
 * Returns a case with two parts and a ping whose pong must arrive before the other parts are sent; a second ping is
 * among those.
 */
function interleaved(number: number, description: string, expectation: string, how: Chop): CaseDefinition {
  const part = (index: number) =>
    frame(index === 0 ? opcodes.text : opcodes.continuation, parts[index] as Buffer, index === 4);
  const expected = [pong(first), pong(second), message(Buffer.concat(parts), false)];
  return {
    id: `5.${number}`,
    description,
    expectation,
    plan: () => ({
      expected: { OK: expected },
      close: normalClose,
      act: async (session) => {
        await session.send([part(0), part(1), frame(opcodes.ping, first)], how);
        if (!(await session.heard(1, [expected]))) return;
        await session.send([part(2), part(3), frame(opcodes.ping, second), part(4)], how);
      },
    }),
  };
}

/** Fragmented messages. */
export const group5: readonly CaseDefinition[] = [
  controlFragmented(1, 'Ping', opcodes.ping),
  controlFragmented(2, 'Pong', opcodes.pong),
  assembled(3, `${twoFragments}.`, echoed, fragments, 'whole'),
  assembled(4, `${twoFragments}, octets are sent in frame-wise chops.`, echoed, fragments, 'frames'),
  assembled(5, `${twoFragments}, octets are sent in octet-wise chops.`, echoed, fragments, 1),
  ...(['whole', 'frames', 1] as const).map((how, index) => {
    const sent = ['', ' Octets are sent in frame-wise chops.', ' Octets are sent in octet-wise chops.'][index];
    const description = `${twoFragments}, one ping with payload in-between.${sent}`;
    return assembled(6 + index, description, pongFirst, fragments.toSpliced(1, 0, ping), how);
  }),
  continuationFirst(9, true, 'whole', 'one chop'),
  continuationFirst(10, true, 'frames', 'per-frame chops'),
  continuationFirst(11, true, 1, 'octet-wise chops'),
  continuationFirst(12, false, 'whole', 'one chop'),
  continuationFirst(13, false, 'frames', 'per-frame chops'),
  continuationFirst(14, false, 1, 'octet-wise chops'),
  rejected(
    15,
    `${twoFragments}, then Continuation Frame with FIN = false where there is nothing to continue, then unfragmented Text Message, all sent in one chop.`,
    nothingToContinue,
    [...fragments, frame(opcodes.continuation, utf8('continues nothing'), false), frame(opcodes.text, alone)],
    'whole',
    [message(both, false)],
  ),
  repeated(16, false),
  repeated(17, true),
  rejected(
    18,
    `${twoFragments}, with both frame opcodes set to text, sent in one chop.`,
    'The connection is failed immediately, since all data frames after the initial data frame must have opcode 0.',
    [frame(opcodes.text, one, false), frame(opcodes.text, two)],
  ),
  interleaved(
    19,
    'A fragmented text message is sent in multiple frames. After sending the first 2 frames of the text message, a Ping is sent. Then we wait 1s, then we send 2 more text fragments, another Ping and then the final text fragment. Everything is legal.',
    "The peer immediately answers the first Ping before it has received the last text message fragment. The peer pong's back the Ping's payload exactly, and echo's the payload of the fragmented message back to us.",
    'whole',
  ),
  interleaved(
    20,
    'Same as Case 5.19, but send all frames with SYNC = True. Note, this does not change the octets sent in any way, only how the stream is chopped up on the wire.',
    'Same as Case 5.19. Implementations must be agnostic to how octet stream is chopped up on wire (must be TCP clean).',
    'frames',
  ),
];
