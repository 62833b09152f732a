import { message, type ReceivedEvent } from '../session/received-event.ts';
import { encodeClose } from '../wire/close-payload.ts';
import { type OutgoingFrame, opcodes } from '../wire/frame.ts';
import { type CaseDefinition, normalClose, wrongClose } from './case-definition.ts';
import { hex, textOf, utf8 } from './payloads.ts';

const hello = utf8('Hello, goodwire!');
const text: OutgoingFrame = { opcode: opcodes.text, payload: hello };
const close: OutgoingFrame = { opcode: opcodes.close, payload: encodeClose(1000) };
const ping: OutgoingFrame = { opcode: opcodes.ping, payload: utf8('too late') };

/** Returns a case with a close frame among its frames. Frames behind the close frame must be ignored. */
function closing(
  number: number,
  description: string,
  expectation: string,
  frames: readonly OutgoingFrame[],
  received: readonly ReceivedEvent[] = [],
): CaseDefinition {
  return {
    id: `7.1.${number}`,
    description,
    expectation,
    plan: () => ({
      expected: { OK: received },
      close: normalClose,
      act: (session) => session.sendWithClose(frames),
    }),
  };
}

interface CloseCase {
  readonly id: string;
  readonly what: string;
  readonly expectation: string;
  readonly payload: Buffer;
  /** Close codes with which a peer may fail the connection. Absent if the close frame is valid. */
  readonly failWith?: readonly number[];
  /** Close codes with which a peer may answer. Default 1000. */
  readonly answers?: readonly number[];
  readonly isInformational?: boolean;
}

/** Returns a case that sends a close frame with the given payload. */
function closeFrame(options: CloseCase): CaseDefinition {
  const { id, what, expectation, payload, failWith, answers = [1000], isInformational = false } = options;
  return {
    id,
    description: `Send ${what}`,
    expectation,
    isInformational,
    plan: () => ({
      expected: { OK: [] },
      close: failWith === undefined ? { ...normalClose, closeCode: answers } : wrongClose(...failWith),
      act: (session) => session.sendClose(payload),
    }),
  };
}

const clean = 'Clean close with normal code.';
const validCodes = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999];
const invalidCodes = [0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999];
const undefinedCodes = [5000, 65535];
const largeMessage = 256 * 1024;

/** The closing handshake. */
export const group7: readonly CaseDefinition[] = [
  closing(
    1,
    'Send a message followed by a close frame',
    'Echoed message followed by clean close with normal code.',
    [text, close],
    [message(hello, false)],
  ),
  closing(2, 'Send two close frames', `${clean} Second close frame ignored.`, [close, close]),
  closing(3, 'Send a ping after close message', 'Clean close with normal code, no pong.', [close, ping]),
  closing(4, 'Send text message after sending a close frame.', `${clean} Text message ignored.`, [close, text]),
  closing(5, 'Send message fragment1 followed by close then fragment', clean, [
    { ...text, fin: false },
    close,
    { opcode: opcodes.continuation, payload: hello },
  ]),
  {
    id: '7.1.6',
    description: 'Send 256K message followed by close then a ping',
    expectation:
      'Case outcome depends on implementation defined close behavior. Message and close frame are sent back to back. If the close frame is processed before the text message write is complete (as can happen in asynchronous processing models) the close frame is processed first and the text message may not be received or may only be partially received.',
    isInformational: true,
    plan: () => {
      const payload = textOf(largeMessage);
      return {
        expected: { OK: [message(payload, false)], INFORMATIONAL: [] },
        close: normalClose,
        act: (session) => session.sendWithClose([{ opcode: opcodes.text, payload }, close, ping]),
      };
    },
  },
  closeFrame({
    id: '7.3.1',
    what: 'a close frame with payload length 0 (no close code, no close reason)',
    expectation: clean,
    payload: encodeClose(null),
  }),
  closeFrame({
    id: '7.3.2',
    what: 'a close frame with payload length 1',
    expectation: 'Clean close with protocol error or drop TCP.',
    payload: hex('03'),
    failWith: [1002],
  }),
  closeFrame({
    id: '7.3.3',
    what: 'a close frame with payload length 2 (regular close with a code)',
    expectation: clean,
    payload: encodeClose(1000),
  }),
  closeFrame({
    id: '7.3.4',
    what: 'a close frame with close code and close reason',
    expectation: clean,
    payload: encodeClose(1000, 'That is all.'),
  }),
  closeFrame({
    id: '7.3.5',
    what: 'a close frame with close code and close reason of maximum length (123)',
    expectation: clean,
    payload: encodeClose(1000, textOf(123)),
  }),
  closeFrame({
    id: '7.3.6',
    what: 'a close frame with close code and close reason which is too long (124) - total frame payload 126 octets',
    expectation: 'Clean close with protocol error code or dropped TCP connection.',
    payload: encodeClose(1000, textOf(124)),
    failWith: [1002],
  }),
  closeFrame({
    id: '7.5.1',
    what: 'a close frame with invalid UTF8 payload',
    expectation: 'Clean close with protocol error or invalid utf8 code or dropped TCP.',
    payload: encodeClose(1000, hex('cebae1bdb9cf83cebcceb5eda080656469746564')),
    failWith: [1002, 1007],
  }),
  ...validCodes.map((code, index) =>
    closeFrame({
      id: `7.7.${index + 1}`,
      what: `close with valid close code ${code}`,
      expectation: 'Clean close with normal or echoed code',
      payload: encodeClose(code),
      answers: [...new Set([1000, code])],
    }),
  ),
  ...invalidCodes.map((code, index) =>
    closeFrame({
      id: `7.9.${index + 1}`,
      what: `close with invalid close code ${code}`,
      expectation: 'Clean close with protocol error code or drop TCP',
      payload: encodeClose(code),
      failWith: [1002],
    }),
  ),
  ...undefinedCodes.map((code, index) =>
    closeFrame({
      id: `7.13.${index + 1}`,
      what: `close with close code ${code}`,
      expectation: 'Actual events are undefined by the spec.',
      payload: encodeClose(code),
      isInformational: true,
    }),
  ),
];
