import { CloseCode } from './close-code.ts';

interface Violation {
  /** What the connection is failed with (§7.1.7). */
  readonly closeCode: number;
  /** The section of RFC 6455 whose rule was broken. */
  readonly section: string;
  /** The message, given what came. */
  readonly message: (found: string | number) => string;
  /** The rule in a sentence: what was expected. */
  readonly expected: string;
}

const invalidFrame = 'Invalid WebSocket frame: ';

/** The ways in which a peer can break the protocol: the one table from which every {@link ProtocolError} is made. */
export const violations = {
  WS_ERR_EXPECTED_FIN: {
    closeCode: CloseCode.protocolError,
    section: '5.5',
    message: () => `${invalidFrame}FIN must be set`,
    expected: 'a control frame must not be fragmented',
  },
  WS_ERR_EXPECTED_MASK: {
    closeCode: CloseCode.protocolError,
    section: '5.1',
    message: () => `${invalidFrame}MASK must be set`,
    expected: 'a client masks every frame that it sends',
  },
  WS_ERR_UNEXPECTED_MASK: {
    closeCode: CloseCode.protocolError,
    section: '5.1',
    message: () => `${invalidFrame}MASK must be clear`,
    expected: 'a server must not mask the frames that it sends',
  },
  WS_ERR_INVALID_OPCODE: {
    closeCode: CloseCode.protocolError,
    section: '5.2, 5.4',
    message: (found) => `${invalidFrame}invalid opcode ${found}`,
    expected:
      'opcodes 3-7 and 11-15 are reserved, a continuation (0) needs a message begun, and a new message (1, 2) needs the last one finished',
  },
  WS_ERR_UNEXPECTED_RSV_1: {
    closeCode: CloseCode.protocolError,
    section: '5.2',
    message: () => `${invalidFrame}RSV1 must be clear`,
    expected: 'RSV1 is set only on the first frame of a message, and only when permessage-deflate was negotiated',
  },
  WS_ERR_UNEXPECTED_RSV_2_3: {
    closeCode: CloseCode.protocolError,
    section: '5.2',
    message: () => `${invalidFrame}RSV2 and RSV3 must be clear`,
    expected: 'no extension that uses RSV2 or RSV3 was negotiated',
  },
  WS_ERR_INVALID_CONTROL_PAYLOAD_LENGTH: {
    closeCode: CloseCode.protocolError,
    section: '5.5',
    message: (found) => `${invalidFrame}invalid payload length ${found}`,
    expected: 'a control frame carries at most 125 octets, and a close frame none or at least 2',
  },
  WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH: {
    closeCode: CloseCode.messageTooBig,
    section: '5.2',
    message: () => 'Unsupported WebSocket frame: payload length > 2^53 - 1',
    expected: 'a payload length is at most 2^53 - 1',
  },
  WS_ERR_UNSUPPORTED_MESSAGE_LENGTH: {
    closeCode: CloseCode.messageTooBig,
    section: '10.4',
    message: () => 'Max payload size exceeded',
    expected: 'a message is at most as long as maxPayload allows',
  },
  WS_ERR_TOO_MANY_BUFFERED_PARTS: {
    closeCode: CloseCode.policyViolation,
    section: '10.4',
    message: (found) => (String(found).endsWith('chunks') ? 'Too many buffered chunks' : 'Too many message fragments'),
    expected:
      'a message has at most as many fragments as maxFragments, and a frame as many chunks as maxBufferedChunks, allows',
  },
  WS_ERR_INVALID_CLOSE_CODE: {
    closeCode: CloseCode.protocolError,
    section: '7.4',
    message: (found) => `${invalidFrame}invalid status code ${found}`,
    expected: 'a close code is 1000-1003, 1007-1014 or 3000-4999',
  },
  WS_ERR_INVALID_UTF8: {
    closeCode: CloseCode.invalidPayloadData,
    section: '8.1',
    message: () => `${invalidFrame}invalid UTF-8 sequence`,
    expected: 'text and close reasons are UTF-8',
  },
} as const satisfies Record<string, Violation>;

/** The `WS_ERR_*` code of a violation; the same codes as in `ws`. */
export type ViolationCode = keyof typeof violations;

/**
 * The peer broke the protocol. `message` is the wording that programs written for `ws` match on;
 * `detail` says which rule of which section it is, what came, and which limit was passed.
 * It is a `RangeError` because that is what programs written for `ws` test for.
 */
export class ProtocolError extends RangeError {
  override readonly name = 'ProtocolError';
  /** Which violation it is. */
  readonly code: ViolationCode;
  /** The close code with which the connection is failed (§7.1.7): 1002, 1007, 1008 or 1009. */
  readonly closeCode: number;
  /** The section of RFC 6455 whose rule was broken, such as `5.5`. */
  readonly section: string;
  /** The rule, what was found and the limit, in a sentence. */
  readonly detail: string;

  constructor(code: ViolationCode, found: string | number = '', limit?: number, options?: ErrorOptions) {
    const violation: Violation = violations[code];
    super(violation.message(found), options);
    this.code = code;
    this.closeCode = violation.closeCode;
    this.section = violation.section;
    const came = found === '' ? '' : `; got ${found}`;
    const bound = limit === undefined ? '' : ` (limit ${limit})`;
    this.detail = `RFC 6455 §${violation.section}: ${violation.expected}${came}${bound}`;
  }
}
