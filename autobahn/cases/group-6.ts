import { message, timeout } from '../session/received-event.ts';
import { fragment, type Session } from '../session/session.ts';
import { type OutgoingFrame, opcodes } from '../wire/frame.ts';
import { type CaseDefinition, failure, normalClose } from './case-definition.ts';
import { hex, utf8 } from './payloads.ts';

const echoed = "The message is echo'ed back to us.";
const rejected = 'The connection is failed immediately, since the payload is not valid UTF-8.';

/** Returns a case that sends a text message in the given frames. */
function textCase(
  id: string,
  description: string,
  expectation: string,
  frames: readonly OutgoingFrame[],
): CaseDefinition {
  const isValid = expectation !== rejected;
  return {
    id,
    description,
    expectation,
    plan: () => ({
      expected: { OK: isValid ? [message(Buffer.concat(frames.map(({ payload }) => payload)), false)] : [] },
      close: isValid ? normalClose : failure(1007),
      act: (session) => session.send(frames),
    }),
  };
}

const inFragments = (...parts: Buffer[]): OutgoingFrame[] =>
  parts.map((payload, index) => {
    const opcode = index === 0 ? opcodes.text : opcodes.continuation;
    return { opcode, payload, fin: index === parts.length - 1 };
  });

const umlauts = 'Hello-µ@ßöäüàá-UTF-8!!';
const [umlautsBegin, umlautsEnd] = ['Hello-µ@ßöä', 'üàá-UTF-8!!'];
// The accented letter is from Greek Extended, and has three octets.
const greek = 'κ\u1f79σμε';
const withSurrogate = 'cebae1bdb9cf83cebcceb5eda080656469746564';
const digits = (text: string): string => utf8(text).toString('hex');
const octetwise =
  'in fragments of 1 octet, resulting in frames ending on positions which are not code point ends. MESSAGE: ';

/** Milliseconds to wait for a peer that fails too early (A), and for one that fails late (B). */
const waits = { A: 300, B: 1000 } as const;

const failFastExpectation = (part: string): string =>
  `The first ${part} is accepted, we expect to timeout on the first wait. The 2nd ${part} should be rejected immediately (fail fast on UTF-8). If we timeout, we expect the connection is failed at least then, since the complete message payload is not valid UTF-8.`;

type Parts = readonly [Buffer, Buffer, Buffer];
/** Waits after a part; parts are counted from 0. */
type Wait = (part: number) => Promise<void>;

/**
 * Returns a case with a message of three parts. The second part makes it invalid, so that a strict peer does not wait
 * for the third.
 */
function failFastCase(
  number: number,
  description: string,
  part: 'frame' | 'chop',
  send: (session: Session, parts: Parts, wait: Wait) => Promise<void>,
  parts: Parts,
): CaseDefinition {
  return {
    id: `6.4.${number}`,
    description,
    expectation: failFastExpectation(part),
    plan: () => ({
      expected: { OK: [timeout('A')], 'NON-STRICT': [timeout('A'), timeout('B')] },
      close: failure(1007),
      act: (session) =>
        send(session, parts, (index) => (index === 0 ? session.pause('A', waits.A) : session.pause('B', waits.B))),
    }),
  };
}

async function sendFrames(session: Session, parts: Parts, wait: Wait): Promise<void> {
  for (const [index, frame] of inFragments(...parts).entries()) {
    await session.send(frame);
    if (index < 2) await wait(index);
  }
}

function sendChops(session: Session, parts: Parts, wait: Wait): Promise<void> {
  const [first, second] = parts;
  const ends = [first.length, first.length + second.length];
  return session.sendInParts({ opcode: opcodes.text, payload: Buffer.concat(parts) }, ends, wait);
}

const outOfRange = [hex('cebae1bdb9cf83cebcceb5'), hex('f4908080'), hex('656469746564')] as const;
const cutInside = [hex('cebae1bdb9cf83cebcceb5f4'), hex('90'), hex('8080656469746564')] as const;
const outOfRangeParts = 'PART1 = cebae1bdb9cf83cebcceb5 PART2 = f4908080 PART3 = 656469746564';
const sameInChops = (number: number): string =>
  `Same as Case 6.4.${number}, but we send message not in 3 frames, but in 3 chops of the same message frame. MESSAGE PARTS: `;

/** Payloads of the groups from 6.5 on, in hex. A minus marks those that are not UTF-8. */
const sequences: Readonly<Record<number, string>> = {
  5: '68656c6c6f24776f726c64 68656c6c6fc2a2776f726c64 68656c6c6fe282ac776f726c64 68656c6c6ff0a4ada2776f726c64 cebae1bdb9cf83cebcceb5',
  6: '-ce ceba -cebae1 -cebae1bd cebae1bdb9 -cebae1bdb9cf cebae1bdb9cf83 -cebae1bdb9cf83ce cebae1bdb9cf83cebc -cebae1bdb9cf83cebcce cebae1bdb9cf83cebcceb5',
  7: '00 c280 e0a080 f0908080',
  8: '-f888808080 -fc8480808080',
  9: '7f dfbf efbfbf f48fbfbf',
  10: '-f7bfbfbf -fbbfbfbfbf -fdbfbfbfbfbf',
  11: 'ed9fbf ee8080 efbfbd f48fbfbf -f4908080',
  12: '-80 -bf -80bf -80bf80 -80bf80bf -80bf80bf80 -80bf80bf80bf -808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbe',
  13: '-c020c120c220c320c420c520c620c720c820c920ca20cb20cc20cd20ce20cf20d020d120d220d320d420d520d620d720d820d920da20db20dc20dd20de20 -e020e120e220e320e420e520e620e720e820e920ea20eb20ec20ed20ee20 -f020f120f220f320f420f520f620 -f820f920fa20 -fc20',
  14: '-c0 -e080 -f08080 -f8808080 -fc80808080 -df -efbf -f7bfbf -fbbfbfbf -fdbfbfbfbf',
  15: '-c0e080f08080f8808080fc80808080dfefbff7bfbffbbfbfbffdbfbfbfbf',
  16: '-fe -ff -fefeffff',
  17: '-c0af -e080af -f08080af -f8808080af -fc80808080af',
  18: '-c1bf -e09fbf -f08fbfbf -f887bfbfbf -fc83bfbfbfbf',
  19: '-c080 -e08080 -f0808080 -f880808080 -fc8080808080',
  20: '-eda080 -edadbf -edae80 -edafbf -edb080 -edbe80 -edbfbf',
  21: '-eda080edb080 -eda080edbfbf -edadbfedb080 -edadbfedbfbf -edae80edb080 -edae80edbfbf -edafbfedb080 -edafbfedbfbf',
  22: 'efbfbe efbfbf f09fbfbe f09fbfbf f0afbfbe f0afbfbf f0bfbfbe f0bfbfbf f18fbfbe f18fbfbf f19fbfbe f19fbfbf f1afbfbe f1afbfbf f1bfbfbe f1bfbfbf f28fbfbe f28fbfbf f29fbfbe f29fbfbf f2afbfbe f2afbfbf f2bfbfbe f2bfbfbf f38fbfbe f38fbfbf f39fbfbe f39fbfbf f3afbfbe f3afbfbf f3bfbfbe f3bfbfbf f48fbfbe f48fbfbf',
  23: 'efbfb9 efbfba efbfbb efbfbc efbfbd efbfbe efbfbf',
};

const sequenceCases = Object.entries(sequences).flatMap(([group, list]) =>
  list.split(' ').map((entry, index) => {
    const isValid = !entry.startsWith('-');
    const payload = entry.replace('-', '');
    return textCase(
      `6.${group}.${index + 1}`,
      `Send a text message with payload which is ${isValid ? '' : 'not '}valid UTF-8 in one fragment. Payload: 0x${payload}`,
      isValid ? echoed : rejected,
      inFragments(hex(payload)),
    );
  }),
);

const empty = Buffer.alloc(0);
const middle = utf8('only the middle fragment has octets');

/** UTF-8 in text messages. */
export const group6: readonly CaseDefinition[] = [
  textCase(
    '6.1.1',
    'Send text message of length 0.',
    "A message is echo'ed back to us (with empty payload).",
    inFragments(empty),
  ),
  textCase(
    '6.1.2',
    'Send fragmented text message, 3 fragments each of length 0.',
    "A message is echo'ed back to us (with empty payload).",
    inFragments(empty, empty, empty),
  ),
  textCase(
    '6.1.3',
    'Send fragmented text message, 3 fragments, first and last of length 0, middle non-empty.',
    "A message is echo'ed back to us (with payload = payload of middle fragment).",
    inFragments(empty, middle, empty),
  ),
  textCase(
    '6.2.1',
    `Send a valid UTF-8 text message in one fragment. MESSAGE: ${umlauts} ${digits(umlauts)}`,
    echoed,
    inFragments(utf8(umlauts)),
  ),
  textCase(
    '6.2.2',
    `Send a valid UTF-8 text message in two fragments, fragmented on UTF-8 code point boundary. MESSAGE FRAGMENT 1: ${umlautsBegin} ${digits(umlautsBegin)} MESSAGE FRAGMENT 2: ${umlautsEnd} ${digits(umlautsEnd)}`,
    echoed,
    inFragments(utf8(umlautsBegin), utf8(umlautsEnd)),
  ),
  ...[umlauts, greek].map((text, index) =>
    textCase(
      `6.2.${index + 3}`,
      `Send a valid UTF-8 text message ${octetwise}${text} ${digits(text)}`,
      echoed,
      fragment(utf8(text), false, 1),
    ),
  ),
  textCase(
    '6.3.1',
    `Send invalid UTF-8 text message unfragmented. MESSAGE: ${withSurrogate}`,
    rejected,
    inFragments(hex(withSurrogate)),
  ),
  textCase(
    '6.3.2',
    `Send invalid UTF-8 text message ${octetwise}${withSurrogate}`,
    rejected,
    fragment(hex(withSurrogate), false, 1),
  ),
  failFastCase(
    1,
    `Send invalid UTF-8 text message in 3 fragments (frames). First frame payload is valid, then wait, then 2nd frame which contains the payload making the sequence invalid, then wait, then 3rd frame with rest. Note that PART1 and PART3 are valid UTF-8 in themselves, PART2 is a 0x110000 encoded as in the UTF-8 integer encoding scheme, but the codepoint is invalid (out of range). MESSAGE PARTS: ${outOfRangeParts}`,
    'frame',
    sendFrames,
    outOfRange,
  ),
  failFastCase(
    2,
    'Same as Case 6.4.1, but in 2nd frame, we send only up to and including the octet making the complete payload invalid. MESSAGE PARTS: PART1 = cebae1bdb9cf83cebcceb5f4 PART2 = 90 PART3 = 8080656469746564',
    'frame',
    sendFrames,
    cutInside,
  ),
  failFastCase(3, `${sameInChops(1)}${outOfRangeParts}`, 'chop', sendChops, outOfRange),
  failFastCase(4, `${sameInChops(2)}PART1 = cebae1bdb9cf83cebcceb5f4 PART2 = 90 PART3 =`, 'chop', sendChops, cutInside),
  ...sequenceCases,
];
