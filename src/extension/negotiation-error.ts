interface NegotiationViolation {
  /** The section of RFC 7692 whose rule was broken. */
  readonly section: string;
  /** The message, given the parameter and the value that came. The wording is that of `ws`, where `ws` has the rule. */
  readonly message: (name: string, value: string | true) => string;
  /** The rule in a sentence: what was expected. */
  readonly expected: string;
}

/** The ways in which an offer or a response can break the rules: the one table from which every {@link NegotiationError} is made. */
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
    expected:
      'a window is not larger than the offer says, and that of the client is limited only where the offer allows it',
  },
  GOODWIRE_MISSING_PARAMETER: {
    section: '7.1',
    message: (name) => `Missing parameter "${name}"`,
    expected: 'what the offer demands of the server is confirmed in the response',
  },
  GOODWIRE_REPEATED_RESPONSE: {
    section: '5',
    message: () => 'More than one response to the offers of permessage-deflate',
    expected: 'at most one offer is accepted, as two would conflict on the use of RSV1',
  },
} as const satisfies Record<string, NegotiationViolation>;

/** A stable string that says which rule of the negotiation was broken. */
export type NegotiationErrorCode = keyof typeof negotiationViolations;

/**
 * The peer's half of the negotiation of permessage-deflate breaks a rule of RFC 7692. A client fails the connection for it (§7.1),
 * a server need not even look at it: it declines.
 */
export class NegotiationError extends Error {
  override readonly name = 'NegotiationError';
  /** Which rule it was; programs match on this. */
  readonly code: NegotiationErrorCode;
  /** The section of RFC 7692 whose rule was broken, such as `7.1.2`. */
  readonly section: string;
  /** The rule in a sentence. */
  readonly detail: string;

  constructor(code: NegotiationErrorCode, name = '', value: string | true = true) {
    const violation: NegotiationViolation = negotiationViolations[code];
    super(violation.message(name, value));
    this.code = code;
    this.section = violation.section;
    this.detail = `RFC 7692 §${violation.section}: ${violation.expected}`;
  }
}
