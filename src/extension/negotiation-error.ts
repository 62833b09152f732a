interface NegotiationViolation {
  /** Section of RFC 7692 with the broken rule. */
  readonly section: string;
  /** Error message, given the parameter and its value. The wording is that of `ws` for rules that `ws` has too. */
  readonly message: (name: string, value: string | true) => string;
  /** The rule in a sentence: the expected value. */
  readonly expected: string;
}

/** All violations in an offer or a response. Every {@link NegotiationError} is made from this table. */
export const negotiationViolations = {
  GOODWIRE_UNKNOWN_PARAMETER: {
    section: '7.1',
    message: (name) => `Unknown parameter "${name}"`,
    expected: 'the parameters are those of §7.1.1 and §7.1.2',
  },
  GOODWIRE_REPEATED_PARAMETER: {
    section: '7.1',
    message: (name) => `Parameter "${name}" must have only a single value`,
    expected: 'a parameter comes once',
  },
  GOODWIRE_INVALID_PARAMETER: {
    section: '7.1',
    message: (name, value) => `Invalid value for parameter "${name}": ${value}`,
    expected: 'a window is 8 to 15 bits, without leading zeroes; the other parameters have no value',
  },
  GOODWIRE_UNEXPECTED_PARAMETER: {
    section: '7.1.1.2',
    message: (name) => `Unexpected parameter "${name}"`,
    expected: 'clientNoContextTakeover is false: this client compresses with context takeover, or not at all',
  },
  GOODWIRE_CONTRADICTED_OFFER: {
    section: '7.1.2',
    message: (name) => `Unexpected or invalid parameter "${name}"`,
    expected: 'a window must not exceed the offer, and the client window may be limited only if the offer allows it',
  },
  GOODWIRE_MISSING_PARAMETER: {
    section: '7.1',
    message: (name) => `Missing parameter "${name}"`,
    expected: 'the response must confirm what the offer requires of the server',
  },
  GOODWIRE_REPEATED_RESPONSE: {
    section: '5',
    message: () => 'More than one response to the offers of permessage-deflate',
    expected: 'at most one offer is accepted, as two would conflict on the use of RSV1',
  },
} as const satisfies Record<string, NegotiationViolation>;

/** Stable code of a broken rule of the negotiation. */
export type NegotiationErrorCode = keyof typeof negotiationViolations;

/**
 * Error for a peer that breaks a rule of RFC 7692 in the negotiation of permessage-deflate. A client fails the
 * connection (§7.1); a server may just decline the offer. Its `name` is "Error", as in `ws`.
 */
export class NegotiationError extends Error {
  /** Code of the broken rule; programs match on this. */
  readonly code: NegotiationErrorCode;
  /** Section of RFC 7692 with the broken rule, such as `7.1.2`. */
  readonly section: string;
  /** The rule in a sentence. */
  readonly detail: string;

  /**
   * Creates an error for a broken rule.
   * @param name Name of the parameter.
   * @param value Its value; true if it has none.
   */
  constructor(code: NegotiationErrorCode, name = '', value: string | true = true) {
    const violation: NegotiationViolation = negotiationViolations[code];
    super(violation.message(name, value));
    this.code = code;
    this.section = violation.section;
    this.detail = `RFC 7692 §${violation.section}: ${violation.expected}`;
  }
}
