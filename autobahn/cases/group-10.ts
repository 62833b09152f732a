import { message } from '../session/received-event.ts';
import { type CaseDefinition, normalClose } from './case-definition.ts';
import { textOf } from './payloads.ts';

const length = 65536;
const frameSize = 1300;

/** A message split into frames of equal size. */
export const group10: readonly CaseDefinition[] = [
  {
    id: '10.1.1',
    description: `Send text message with payload of length ${length} auto-fragmented with autoFragmentSize = ${frameSize}.`,
    expectation:
      "Receive echo'ed text message (with payload as sent and transmitted frame counts as expected). Clean close with normal code.",
    plan: () => {
      const payload = textOf(length);
      return {
        expected: { OK: [message(payload, false)] },
        close: normalClose,
        act: (session) => session.sendMessage(payload, false, frameSize),
      };
    },
  },
];
