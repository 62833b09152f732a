/** The close codes of RFC 6455 §7.4.1 and of the IANA registry that it founds (§11.7). */
export const CloseCode = {
  /** The purpose of the connection has been fulfilled. */
  normalClosure: 1000,
  /** The endpoint is going away: a server shuts down, a page is left. */
  goingAway: 1001,
  /** The peer broke the protocol. */
  protocolError: 1002,
  /** A kind of data arrived that the endpoint cannot accept (binary where it wants text). */
  unsupportedData: 1003,
  /** Never on the wire: what is reported for a close frame that carried no code. */
  noStatusReceived: 1005,
  /** Never on the wire: what is reported when the connection ended without a close frame. */
  abnormalClosure: 1006,
  /** Data that does not fit the type of the message: text that is not UTF-8. */
  invalidPayloadData: 1007,
  /** The message violates the endpoint's policy. */
  policyViolation: 1008,
  /** The message is too big to process. */
  messageTooBig: 1009,
  /** The client wanted an extension that the server did not agree to. */
  mandatoryExtension: 1010,
  /** The server met an unexpected condition. */
  internalError: 1011,
  /** The service is restarting: come back, after a random pause. */
  serviceRestart: 1012,
  /** The service is overloaded: come back later. */
  tryAgainLater: 1013,
  /** A gateway got an invalid response from upstream. */
  badGateway: 1014,
  /** Never on the wire: the TLS handshake failed. */
  tlsHandshake: 1015,
} as const;

/** A close code that has a name in RFC 6455 §7.4.1 or the IANA registry; 3000–4999 are for libraries and applications. */
export type CloseCode = (typeof CloseCode)[keyof typeof CloseCode];

/** Whether a code may stand in a close frame: 1000–1003, 1007–1014, 3000–4999 (§7.4). */
export function isValidCloseCode(code: number): boolean {
  if (!Number.isInteger(code)) return false;
  if (code >= 3000) return code <= 4999;
  return code >= 1000 && code <= 1014 && code !== 1004 && code !== 1005 && code !== 1006;
}
