import { message } from '../session/received-event.ts';
import { opcodes } from '../wire/frame.ts';
import { type CaseDefinition, normalClose } from './case-definition.ts';
import { binaryOf, textOf } from './payloads.ts';

const lengths: readonly (readonly [length: number, chop: number])[] = [
  [0, 0],
  [125, 0],
  [126, 0],
  [127, 0],
  [128, 0],
  [65535, 0],
  [65536, 0],
  [65536, 997],
];

function echo(isBinary: boolean): CaseDefinition[] {
  const kind = isBinary ? 'binary' : 'text';
  return lengths.map(([length, chop], index) => {
    const what = length === 0 ? 'message with payload 0.' : `message message with payload of length ${length}.`;
    return {
      id: `1.${isBinary ? 2 : 1}.${index + 1}`,
      description: `Send ${kind} ${what}${chop === 0 ? '' : ` Sent out data in chops of ${chop} octets.`}`,
      expectation: `Receive echo'ed ${kind} message (with ${length === 0 ? 'empty payload' : 'payload as sent'}). Clean close with normal code.`,
      plan: () => {
        const payload = isBinary ? binaryOf(length) : textOf(length);
        return {
          expected: { OK: [message(payload, isBinary)] },
          close: normalClose,
          act: (session) =>
            session.send({ opcode: isBinary ? opcodes.binary : opcodes.text, payload }, chop === 0 ? 'whole' : chop),
        };
      },
    };
  });
}

/** Messages in one frame, at the limits of the three forms of length. */
export const group1: readonly CaseDefinition[] = [...echo(false), ...echo(true)];
