import { pong } from '../session/received-event.ts';
import type { Chop } from '../wire/chops.ts';
import { type OutgoingFrame, opcodes } from '../wire/frame.ts';
import { type CaseDefinition, failure, normalClose } from './case-definition.ts';
import { binaryOf, hex, utf8 } from './payloads.ts';

const ping = (payload: Buffer): OutgoingFrame => ({ opcode: opcodes.ping, payload });
const unsolicited: OutgoingFrame = { opcode: opcodes.pong, payload: utf8('nobody asked for this pong') };
const clean = 'Clean close with normal code.';
const echoed = `Pong with payload echo'ed is sent in reply to Ping.`;

/** Returns a case that sends frames and expects a pong for each ping among them. */
function answered(
  number: number,
  description: string,
  expectation: string,
  frames: readonly OutgoingFrame[],
  how: Chop = 'whole',
): CaseDefinition {
  return {
    id: `2.${number}`,
    description,
    expectation,
    plan: () => ({
      expected: { OK: frames.filter(({ opcode }) => opcode === opcodes.ping).map(({ payload }) => pong(payload)) },
      close: normalClose,
      act: (session) => session.send(frames, how),
    }),
  };
}

const tenPings = Array.from({ length: 10 }, (_, index) => ping(utf8(`ping ${index} of 10`)));
const tenPongs =
  'Pongs for our Pings with all the payloads. Note: This is not required by the Spec .. but we check for this behaviour anyway.';

/** Pings and pongs. */
export const group2: readonly CaseDefinition[] = [
  answered(1, 'Send ping without payload.', `Pong (with empty payload) is sent in reply to Ping. ${clean}`, [
    ping(Buffer.alloc(0)),
  ]),
  answered(2, 'Send ping with small text payload.', `${echoed} ${clean}`, [ping(utf8('Hello, goodwire!'))]),
  answered(3, 'Send ping with small binary (non UTF-8) payload.', `${echoed} ${clean}`, [
    ping(hex('00fffefdfcfb00ff')),
  ]),
  answered(4, 'Send ping with binary payload of 125 octets.', `${echoed} ${clean}`, [ping(binaryOf(125))]),
  {
    id: '2.5',
    description: 'Send ping with binary payload of 126 octets.',
    expectation:
      'Connection is failed immediately (1002/Protocol Error), since control frames are only allowed to have payload up to and including 125 octets..',
    plan: () => ({
      expected: { OK: [] },
      close: failure(1002),
      act: (session) => session.send(ping(binaryOf(126))),
    }),
  },
  answered(
    6,
    'Send ping with binary payload of 125 octets, send in octet-wise chops.',
    `${echoed} Implementations must be TCP clean. ${clean}`,
    [ping(binaryOf(125))],
    1,
  ),
  answered(7, `Send unsolicited pong without payload. Verify nothing is received. ${clean}`, 'Nothing.', [
    { opcode: opcodes.pong, payload: Buffer.alloc(0) },
  ]),
  answered(8, `Send unsolicited pong with payload. Verify nothing is received. ${clean}`, 'Nothing.', [unsolicited]),
  answered(
    9,
    'Send unsolicited pong with payload. Send ping with payload. Verify pong for ping is received.',
    `Nothing in reply to own Pong, but Pong with payload echo'ed in reply to Ping. ${clean}`,
    [unsolicited, ping(utf8('but for this one'))],
  ),
  answered(10, 'Send 10 Pings with payload.', `${tenPongs} ${clean}`, tenPings),
  answered(11, 'Send 10 Pings with payload. Send out octets in octet-wise chops.', `${tenPongs} ${clean}`, tenPings, 1),
];
