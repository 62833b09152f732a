/** Close codes of RFC 6455 §7.4.1 and of its IANA registry (§11.7). */
export const CloseCode = {
  /** The purpose of the connection has been fulfilled. */
  normalClosure: 1000,
  /** The endpoint is going away: a server shuts down, a page is left. */
  goingAway: 1001,
  /** The peer broke the protocol. */
  protocolError: 1002,
  /** The endpoint received a type of data that it cannot accept, such as binary data where only text is supported. */
  unsupportedData: 1003,
  /** Never sent. Reported for a close frame without a code. */
  noStatusReceived: 1005,
  /** Never sent. Reported if the connection ended without a close frame. */
  abnormalClosure: 1006,
  /** The data does not fit the type of the message: text that is not UTF-8. */
  invalidPayloadData: 1007,
  /** The message violates the endpoint's policy. */
  policyViolation: 1008,
  /** The message is too big to process. */
  messageTooBig: 1009,
  /** The client requires an extension that the server did not accept. */
  mandatoryExtension: 1010,
  /** The server met an unexpected condition. */
  internalError: 1011,
  /** The service restarts. Clients may reconnect after a random delay. */
  serviceRestart: 1012,
  /** The service is overloaded. Clients may reconnect later. */
  tryAgainLater: 1013,
  /** A gateway received an invalid response from the upstream server. */
  badGateway: 1014,
  /** Never sent. The TLS handshake failed. */
  tlsHandshake: 1015,
} as const;

/** Close code with a name in RFC 6455 §7.4.1 or the IANA registry. Libraries and applications use 3000–4999. */
export type CloseCode = (typeof CloseCode)[keyof typeof CloseCode];

/** True if a close frame may carry the code: 1000–1003, 1007–1014 or 3000–4999 (§7.4). */
export function isValidCloseCode(code: number): boolean {
  if (!Number.isInteger(code)) return false;
  if (code >= 3000) return code <= 4999;
  return code >= 1000 && code <= 1014 && code !== 1004 && code !== 1005 && code !== 1006;
}
