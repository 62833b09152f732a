import { CloseCode } from './close-code.ts';

interface Violation {
  /** Close code for failing the connection (§7.1.7). */
  readonly closeCode: number;
  /** Section of RFC 6455 with the broken rule. */
  readonly section: string;
  /** Error message, given the value that came. */
  readonly message: (found: string | number) => string;
  /** The rule in a sentence: the expected value. */
  readonly expected: string;
}

const invalidFrame = 'Invalid WebSocket frame: ';

/** All violations by a peer. Every {@link ProtocolError} is made from this table. */
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
      'opcodes 3-7 and 11-15 are reserved, a continuation (0) must belong to an unfinished message, and a new message (1, 2) must wait until the last one is finished',
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
    expected: 'a message must not be longer than maxPayload',
  },
  WS_ERR_TOO_MANY_BUFFERED_PARTS: {
    closeCode: CloseCode.policyViolation,
    section: '10.4',
    message: (found) => (String(found).endsWith('chunks') ? 'Too many buffered chunks' : 'Too many message fragments'),
    expected:
      'a message must not have more fragments than maxFragments, nor a frame arrive in more chunks than maxBufferedChunks',
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

/** `WS_ERR_*` code of a violation, the same as in `ws`. */
export type ViolationCode = keyof typeof violations;

/**
 * Error for a peer that broke the protocol. Programs written for `ws` match on `message`, `name` and `String(error)`, and
 * test for `RangeError`, so these are as in `ws`. `detail` names the rule, its section, the value that came, and the limit.
 */
export class ProtocolError extends RangeError {
  /** Code of the violation. */
  readonly code: ViolationCode;
  /** Close code for failing the connection (§7.1.7): 1002, 1007, 1008 or 1009. */
  readonly closeCode: number;
  /** Section of RFC 6455 with the broken rule, such as `5.5`. */
  readonly section: string;
  /** The rule, the value that came and the limit, in a sentence. */
  readonly detail: string;
  /** The exceeded limit, and the number that exceeds it, as far as the input was read. Absent for other rules. */
  declare readonly exceeded?: { readonly limit: number; readonly received: number };

  /**
   * Creates an error for a broken rule.
   * @param found The value that came.
   * @param limit The limit that it exceeds.
   */
  constructor(code: ViolationCode, found: string | number = '', limit?: number, options?: ErrorOptions) {
    const violation: Violation = violations[code];
    super(violation.message(found), options);
    // In ws the error for invalid UTF-8 is no RangeError.
    if (code === 'WS_ERR_INVALID_UTF8') Object.defineProperty(this, 'name', { value: 'Error' });
    this.code = code;
    this.closeCode = violation.closeCode;
    this.section = violation.section;
    const came = found === '' ? '' : `; got ${found}`;
    const bound = limit === undefined ? '' : ` (limit ${limit})`;
    if (limit !== undefined) {
      // Not enumerable: otherwise the error would differ from that of ws where programs compare or print it.
      Object.defineProperty(this, 'exceeded', { value: { limit, received: Number.parseInt(String(found), 10) } });
    }
    this.detail = `RFC 6455 §${violation.section}: ${violation.expected}${came}${bound}`;
  }
}
