/** Expected results of the cases in which a fault shows. All other cases must be good. */
interface Fault {
  /** Set if only one side can have the fault. */
  readonly role?: 'server' | 'client';
  /** Cases in which the peer sends wrong data, by behavior. The end of such connections is not compared. */
  readonly behavior?: Readonly<Partial<Record<'FAILED' | 'NON-STRICT' | 'UNIMPLEMENTED', readonly string[]>>>;
  /** Cases in which only the end of the connection is wrong; `any` stands for every kind. */
  readonly close?: Readonly<
    Partial<Record<'FAILED' | 'WRONG CODE' | 'UNCLEAN' | 'FAILED BY CLIENT' | 'any', readonly string[]>>
  >;
  /** Reason if no case shows the fault: it is legal, or Autobahn has no case for it. */
  readonly unseen?: string;
}

const invalidUtf8 = [
  ...['6.3.*', '6.4.*', '6.6.1', '6.6.3', '6.6.4', '6.6.6', '6.6.8', '6.6.10', '6.8.*', '6.10.*', '6.11.5', '6.12.*'],
  ...['6.13.*', '6.14.*', '6.15.*', '6.16.*', '6.17.*', '6.18.*', '6.19.*', '6.20.*', '6.21.*'],
];
const validUtf8 = [
  ...[
    '6.1.*',
    '6.2.*',
    '6.5.*',
    '6.6.2',
    '6.6.5',
    '6.6.7',
    '6.6.9',
    '6.6.11',
    '6.7.*',
    '6.9.*',
    '6.11.1-4',
    '6.22.*',
    '6.23.*',
  ],
];
/** The peer must echo a message, and then fail the connection. */
const echoesThenFails = ['3.2-4', '4.1.3-5', '4.2.3-5', '5.15'];
/** The peer must fail the connection without an echo. */
const fails = ['2.5', '3.1', '3.5-7', '4.1.1-2', '4.2.1-2', '5.1-2', '5.9-14', '5.16-18', ...invalidUtf8];
/** Cases with invalid close frames. */
const wrongCloseFrames = ['7.3.2', '7.3.6', '7.5.1', '7.9.*'];
const failing = [...fails, ...echoesThenFails, ...wrongCloseFrames];
/** Autobahn accepts every outcome of these cases. */
const informational = ['7.1.6', '7.13.*'];
const closesCleanly = ['*', ...[...failing, ...informational].map((pattern) => `!${pattern}`)];
const pings = ['2.1-4', '2.6', '2.9-11', '5.6-8', '5.19-20'];
const fragmented = ['5.3-8', '5.19-20'];
const textEchoes = [
  ...['1.1.*', ...echoesThenFails, ...fragmented, ...validUtf8, '7.1.1', '9.1.*', '9.3.*', '9.5.*', '9.7.*', '10.1.1'],
];
const echoes = [...textEchoes, '1.2.*', '9.*', '12.*', '13.*'];
const compressed = ['12.*', '13.*'];

/** Faults of the test peers, with the expected results of each. */
export const faults = {
  // UTF-8
  'UTF-8 unchecked': { behavior: { FAILED: invalidUtf8 } },
  'UTF-8 checked at the end of the message': { behavior: { 'NON-STRICT': ['6.4.*'] } },
  'UTF-8 checked at the end of the frame': { behavior: { 'NON-STRICT': ['6.4.3-4'] } },
  'surrogates accepted': { behavior: { FAILED: ['6.3.*', '6.20.*', '6.21.*'] } },
  'overlong UTF-8 accepted': { behavior: { FAILED: ['6.17.1-3', '6.18.1-3', '6.19.1-3'] } },
  'UTF-8 beyond U+10FFFF accepted': { behavior: { FAILED: ['6.4.*', '6.10.1', '6.11.5'] } },
  'unfinished UTF-8 accepted': {
    behavior: { FAILED: ['6.6.1', '6.6.3', '6.6.4', '6.6.6', '6.6.8', '6.6.10', '6.14.6-7'] },
  },
  'noncharacters refused': { behavior: { FAILED: ['6.9.3-4', '6.11.4', '6.22.*', '6.23.6-7'] } },
  'bad UTF-8 closes with 1002': { close: { 'WRONG CODE': invalidUtf8 } },

  // Ping and pong
  'pings unanswered': { behavior: { FAILED: pings } },
  'pongs empty': { behavior: { FAILED: [...pings, '!2.1'] } },
  'pings answered with pings': { behavior: { FAILED: pings } },
  'only the latest ping answered': { behavior: { FAILED: ['2.10-11'] } },
  'pongs answered': { behavior: { FAILED: ['2.7-9'] } },

  // Headers
  'RSV bits accepted': { behavior: { FAILED: ['3.1-6'] }, close: { 'WRONG CODE': ['3.7'] } },
  'reserved opcodes accepted': {
    behavior: { FAILED: ['4.1.3-5', '4.2.3-5'] },
    close: { any: ['4.1.1-2', '4.2.1-2'] },
  },
  'fragmented control frames accepted': { behavior: { FAILED: ['5.1'] }, close: { any: ['5.2'] } },
  'long control frames accepted': { behavior: { FAILED: ['2.5'] }, close: { 'WRONG CODE': ['7.3.6'] } },
  'control frames between fragments refused': {
    behavior: { FAILED: ['5.6-8', '5.19-20'] },
    close: { 'WRONG CODE': ['7.1.5'] },
  },
  'stray continuations accepted': { behavior: { FAILED: ['5.9-17'] } },
  'message within a message accepted': { behavior: { FAILED: ['5.18'] } },
  'masked the wrong way': { behavior: { FAILED: ['*', '!7.1.6', '!7.13.*'] } },

  // Lengths and payloads
  '16-bit lengths unmasked wrongly': {
    role: 'server',
    behavior: {
      FAILED: ['1.1.3-6', '1.2.3-6', '9.3.2-5', '9.4.2-5', '9.7.4-6', '9.8.4-6', '10.1.1'],
    },
  },
  '64-bit lengths unmasked wrongly': {
    role: 'server',
    behavior: { FAILED: ['1.1.7-8', '1.2.7-8', '9.1.*', '9.2.*', '9.3.6-9', '9.4.6-9', '9.5.*', '9.6.*'] },
  },
  'lengths not minimal': { behavior: { FAILED: ['1.1.3-6', '1.2.3-6', '9.7.4-6', '9.8.4-6'] } },
  // 65535 is the same in both byte orders.
  '16-bit lengths little-endian': { behavior: { FAILED: ['1.1.3-5', '1.2.3-5', '9.7.4-6', '9.8.4-6'] } },
  'long messages cut': { behavior: { FAILED: ['1.1.7-8', '1.2.7-8', '9.*', '!9.7.*', '!9.8.*', '10.1.1'] } },
  'messages limited to 1 MiB': { behavior: { FAILED: ['9.1.4-6', '9.2.4-6', '9.3.*', '9.4.*'] } },
  'text echoed as binary': { behavior: { FAILED: [...textEchoes, '12.1.*', '12.3.*', '12.4.*', '13.*'] } },
  'echoes twice': { behavior: { FAILED: echoes } },
  'fragments reordered': {
    behavior: { FAILED: [...fragmented, '5.15', '6.2.2-4', '9.3.1-8', '9.4.1-8', '10.1.1'] },
  },
  'last fragment lost': {
    behavior: { FAILED: [...fragmented, '5.15', '6.2.2-4', '9.3.1-8', '9.4.1-8', '10.1.1'] },
  },
  'empty fragments lost': { behavior: { FAILED: ['6.1.2-3'] } },

  // The closing handshake
  'close answered with another code': { close: { 'WRONG CODE': closesCleanly } },
  'close answered with 1005': { behavior: { FAILED: ['7.3.1'] } },
  'close answered without a code': { unseen: 'RFC 6455 §5.5.1 says "typically"' },
  'close unanswered': { close: { any: closesCleanly } },
  'closes without a close frame': { close: { UNCLEAN: closesCleanly } },
  'invalid close codes accepted': { behavior: { FAILED: ['7.9.*'] } },
  'close payload of one octet accepted': { close: { 'WRONG CODE': ['7.3.2'] } },
  'bad UTF-8 in close reasons accepted': { close: { 'WRONG CODE': ['7.5.1'] } },
  'close frames answered late': { behavior: { FAILED: ['7.1.3-5'] } },
  'echoes after its close frame': { behavior: { FAILED: ['7.1.3-5'] } },
  'TCP connection left open': { role: 'server', close: { 'FAILED BY CLIENT': closesCleanly, any: failing } },
  'falls silent at errors': { behavior: { 'NON-STRICT': ['6.4.*'] }, close: { any: failing } },
  'errors drop the connection': { unseen: 'RFC 6455 §7.1.7 says SHOULD of the close frame' },

  // permessage-deflate
  'no extension': { behavior: { UNIMPLEMENTED: compressed } },
  'compressed flag on plain data': { behavior: { FAILED: compressed } },
  'end of compressed data corrupt': { behavior: { FAILED: compressed } },
  'context forgotten': { behavior: { FAILED: compressed } },
  'context taken over against the agreement': { behavior: { FAILED: ['13.2.*', '13.5.*', '13.6.*', '13.7.*'] } },
  // Without takeover a message must be longer than the window of 512 octets to show the fault.
  'window larger than agreed': { behavior: { FAILED: ['13.3.*', '13.5.4-18', '13.7.4-18'] } },
  'garbage accepted as compressed': { unseen: 'what Autobahn compresses is never broken' },

  // Combined faults, and unusual but legal behavior. A client without a connection is in no report.
  'handshake wrong': { role: 'server', behavior: { FAILED: ['*'] } },
  'fragments its echoes': { unseen: 'legal (RFC 6455 §5.4)' },
  'slow but correct': { unseen: 'legal' },
  'writes octet by octet': { unseen: 'legal' },
} as const satisfies Readonly<Record<string, Fault>>;

export type FaultName = keyof typeof faults;

/** The same table, with the common type for each row. */
export const faultTable: Readonly<Record<FaultName, Fault>> = faults;
