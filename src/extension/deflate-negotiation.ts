import { NegotiationError, type NegotiationErrorCode } from './negotiation-error.ts';

/** Name of the extension in offers and responses (RFC 7692 §7). */
export const permessageDeflate = 'permessage-deflate';

/** Parameters of one offer or response, in order. `true` stands for a parameter without a value. */
export type ParameterList = readonly (readonly [name: string, value: string | true])[];

/** Options of an endpoint for negotiating permessage-deflate. An absent option leaves the choice to the peer. */
export interface DeflateNegotiationOptions {
  /**
   * Client: `true` requires the server to compress each message separately. Server: `true` makes the server do so even
   * if the client does not ask; `false` declines offers that require it (§7.1.1.1).
   */
  serverNoContextTakeover?: boolean | undefined;
  /**
   * Client: `true` tells the server that the client needs no context takeover; `false` fails connections whose server
   * forbids it. Server: `true` forbids the client to use context takeover (§7.1.1.2).
   */
  clientNoContextTakeover?: boolean | undefined;
  /**
   * Base-2 logarithm of the server's window, 8–15. Client: maximum for the server. Server: the window that the server
   * uses. The server declines offers that require a smaller window, and with `false` all offers that limit the window
   * (§7.1.2.1).
   */
  serverMaxWindowBits?: number | boolean | undefined;
  /**
   * Base-2 logarithm of the client's window, 8–15. Client: maximum that the client uses. The server may limit the
   * window further unless the option is `false`. Server: maximum for the client; offers that do not allow this limit
   * are declined. With `false` a server limits no client (§7.1.2.2).
   */
  clientMaxWindowBits?: number | boolean | undefined;
}

/** Checked {@link DeflateNegotiationOptions}. Created once and used for every handshake. */
export interface DeflateTerms {
  readonly serverNoContextTakeover: boolean | undefined;
  readonly clientNoContextTakeover: boolean | undefined;
  readonly serverMaxWindowBits: number | false | undefined;
  readonly clientMaxWindowBits: number | false | undefined;
}

/**
 * Result of an accepted offer, known to both endpoints (RFC 7692 §7.1). A window is its base-2 logarithm, 8–15, and 15
 * if the negotiation did not name one. An endpoint may compress with less than agreed: a smaller window, or no context
 * takeover.
 *
 * Windows of 8 bits are accepted although zlib cannot deflate with them. Node deflates with 9 bits instead, and the
 * peer can still inflate that. The reason: zlib's matches reach back over its window minus 262 octets, which is 250. A
 * window of 8 bits holds 256. (zlib inflates with 8 bits.) A deflater that uses its whole window must use 8 bits for 8.
 */
export interface DeflateAgreement {
  readonly serverNoContextTakeover: boolean;
  readonly clientNoContextTakeover: boolean;
  readonly serverMaxWindowBits: number;
  readonly clientMaxWindowBits: number;
}

/** Offer that a server has accepted. */
export interface AcceptedOffer {
  readonly agreement: DeflateAgreement;
  /** Parameters of the response. */
  readonly response: ParameterList;
}

const maxWindowBits = 15;

/** "A decimal integer value without leading zeroes between 8 to 15, inclusive" (§7.1.2.1, §7.1.2.2). */
const windowBitsPattern = /^(?:[89]|1[0-5])$/;

/**
 * Checks the options of an endpoint. `null` counts as absent.
 * @throws TypeError if a window is neither a number nor a boolean, RangeError if it is not an integer from 8 to 15.
 */
export function deflateTerms(options: DeflateNegotiationOptions = {}): DeflateTerms {
  return {
    serverNoContextTakeover: readTakeover(options.serverNoContextTakeover),
    clientNoContextTakeover: readTakeover(options.clientNoContextTakeover),
    serverMaxWindowBits: readWindowBits('serverMaxWindowBits', options.serverMaxWindowBits),
    clientMaxWindowBits: readWindowBits('clientMaxWindowBits', options.clientMaxWindowBits),
  };
}

/** Reads an option: every truthy value requests the parameter, and only `false` refuses it, as in `ws`. */
function readTakeover(option: unknown): boolean | undefined {
  if (option === false) return false;
  return option ? true : undefined;
}

function readWindowBits(name: string, option: unknown): number | false | undefined {
  if (option === undefined || option === null || option === true) return undefined;
  if (option === false) return false;
  if (typeof option !== 'number') throw new TypeError(`${name} must be a number or a boolean, not a ${typeof option}`);
  if (!Number.isInteger(option) || option < 8 || option > maxWindowBits)
    throw new RangeError(`${name} must be a whole number from 8 to 15, not ${option}`);
  return option;
}

/** Returns the parameters of a client's offer (RFC 7692 §7.1). */
export function offerDeflate(terms: DeflateTerms): ParameterList {
  const { serverMaxWindowBits, clientMaxWindowBits } = terms;
  return formatParameters({
    server_no_context_takeover: terms.serverNoContextTakeover || undefined,
    client_no_context_takeover: terms.clientNoContextTakeover || undefined,
    server_max_window_bits: serverMaxWindowBits === false ? undefined : serverMaxWindowBits,
    // Without a value: "this client supports it", so that the server may choose (§7.1.2.2).
    client_max_window_bits: clientMaxWindowBits === false ? undefined : (clientMaxWindowBits ?? true),
  });
}

/**
 * Accepts the first acceptable offer for the server; the client lists the preferred offer first (RFC 7692 §5). Returns
 * null if no offer is acceptable or none was made: the extension is declined, and the connection continues without it.
 * An invalid offer is declined like any other: "A server MUST decline an extension negotiation offer for this extension
 * if …" (§7.1).
 */
export function acceptDeflateOffer(offers: readonly ParameterList[], terms: DeflateTerms): AcceptedOffer | null {
  for (const offer of offers) {
    const parameters = readParameters(offer, 'offer');
    const accepted = isViolation(parameters) ? null : acceptParameters(parameters, terms);
    if (accepted !== null) return accepted;
  }
  return null;
}

/**
 * Throws if an offer breaks a rule of RFC 7692 §7.1. {@link acceptDeflateOffer} would decline that offer, but `ws`
 * refuses the whole handshake. A server that must behave like `ws` calls this function first.
 * @throws NegotiationError
 */
export function requireValidOffer(offer: ParameterList): void {
  const parameters = readParameters(offer, 'offer');
  if (isViolation(parameters)) throw toError(parameters);
}

/**
 * Returns the agreement that the server's response establishes for the client. At most one response is allowed (RFC
 * 7692 §5). Returns null without a response, because the server has declined.
 * @throws NegotiationError if a response breaks a rule or does not fit the offer. The client must fail the connection
 *   (§7.1).
 */
export function acceptDeflateResponse(
  responses: readonly ParameterList[],
  terms: DeflateTerms,
): DeflateAgreement | null {
  const [response] = responses;
  if (response === undefined) return null;
  if (responses.length > 1) throw new NegotiationError('GOODWIRE_REPEATED_RESPONSE');
  const parameters = readParameters(response, 'response');
  if (isViolation(parameters)) throw toError(parameters);
  const contradiction = findContradiction(parameters, terms);
  if (contradiction !== null) throw toError(contradiction);
  return agreementOn(parameters, terms.clientMaxWindowBits || undefined);
}

const parameterNames = [
  'server_no_context_takeover',
  'client_no_context_takeover',
  'server_max_window_bits',
  'client_max_window_bits',
] as const;

type ParameterName = (typeof parameterNames)[number];

/** Parameters of a response, with valid values. */
interface ResponseParameters {
  readonly server_no_context_takeover: true | undefined;
  readonly client_no_context_takeover: true | undefined;
  readonly server_max_window_bits: number | undefined;
  readonly client_max_window_bits: number | undefined;
}

/** Parameters of an offer, in which `client_max_window_bits` may have no value. */
type OfferParameters = Omit<ResponseParameters, 'client_max_window_bits'> & {
  readonly client_max_window_bits: number | true | undefined;
};

interface Violation {
  readonly code: NegotiationErrorCode;
  readonly name: string;
  readonly value?: string | true;
}

function isViolation(result: OfferParameters | Violation): result is Violation {
  return 'code' in result;
}

function toError({ code, name, value }: Violation): NegotiationError {
  return new NegotiationError(code, name, value);
}

/**
 * Returns a violation instead of throwing, because a header has room for a thousand invalid offers, and creating an
 * error is slow.
 */
function readParameters(list: ParameterList, kind: 'offer'): OfferParameters | Violation;
function readParameters(list: ParameterList, kind: 'response'): ResponseParameters | Violation;
function readParameters(list: ParameterList, kind: 'offer' | 'response'): OfferParameters | Violation {
  const parameters: Record<ParameterName, number | true | undefined> = {
    server_no_context_takeover: undefined,
    client_no_context_takeover: undefined,
    server_max_window_bits: undefined,
    client_max_window_bits: undefined,
  };
  for (const [name, value] of list) {
    if (!isParameterName(name)) return { code: 'GOODWIRE_UNKNOWN_PARAMETER', name };
    if (parameters[name] !== undefined) return { code: 'GOODWIRE_REPEATED_PARAMETER', name };
    const read = readValue(name, value, kind);
    if (read === undefined) return { code: 'GOODWIRE_INVALID_PARAMETER', name, value };
    parameters[name] = read;
  }
  return parameters as OfferParameters;
}

function isParameterName(name: string): name is ParameterName {
  return (parameterNames as readonly string[]).includes(name);
}

/** Returns the value of a parameter; undefined if it is invalid. */
function readValue(name: ParameterName, value: string | true, kind: 'offer' | 'response'): number | true | undefined {
  if (name.endsWith('_takeover')) return value === true ? true : undefined;
  if (value !== true) return windowBitsPattern.test(value) ? Number(value) : undefined;
  return name === 'client_max_window_bits' && kind === 'offer' ? true : undefined;
}

function formatParameters(parameters: OfferParameters): ParameterList {
  const list: [string, string | true][] = [];
  for (const name of parameterNames) {
    const value = parameters[name];
    if (value !== undefined) list.push([name, value === true ? true : String(value)]);
  }
  return list;
}

function acceptParameters(offer: OfferParameters, terms: DeflateTerms): AcceptedOffer | null {
  if (offer.server_no_context_takeover && terms.serverNoContextTakeover === false) return null;
  const serverBits = acceptServerBits(offer.server_max_window_bits, terms.serverMaxWindowBits);
  if (serverBits === null) return null;
  const clientBits = acceptClientBits(offer.client_max_window_bits, terms.clientMaxWindowBits);
  if (clientBits === null) return null;
  const response: ResponseParameters = {
    // The server must confirm what the client requires of it (§7.1.1.1), and makes use of the client's own promise
    // (§7.1.1.2).
    server_no_context_takeover: offer.server_no_context_takeover ?? (terms.serverNoContextTakeover || undefined),
    client_no_context_takeover: offer.client_no_context_takeover ?? (terms.clientNoContextTakeover || undefined),
    server_max_window_bits: serverBits,
    client_max_window_bits: clientBits,
  };
  const hint = offer.client_max_window_bits === true ? undefined : offer.client_max_window_bits;
  return { agreement: agreementOn(response, hint), response: formatParameters(response) };
}

/**
 * Returns the `server_max_window_bits` of the response: "the same or smaller value as the offer" (§7.1.2.1). Null
 * declines the offer.
 */
function acceptServerBits(
  offered: number | undefined,
  wanted: DeflateTerms['serverMaxWindowBits'],
): number | undefined | null {
  if (offered === undefined) return wanted || undefined;
  if (wanted === false) return null;
  if (wanted === undefined) return offered;
  // A smaller window would be valid, but the application chose its window, and `ws` declines too.
  return wanted > offered ? null : wanted;
}

/**
 * Returns the `client_max_window_bits` of the response; undefined if the offer had none (§7.1.2.2). Null declines the
 * offer.
 */
function acceptClientBits(
  offered: number | true | undefined,
  wanted: DeflateTerms['clientMaxWindowBits'],
): number | undefined | null {
  if (typeof wanted === 'number') {
    if (offered === undefined) return null;
    return offered !== true && wanted > offered ? null : wanted;
  }
  return wanted === false || offered === true ? undefined : offered;
}

/**
 * Finds a parameter of the response that contradicts the offer: "the client does not support the configuration" (§7.1).
 */
function findContradiction(response: ResponseParameters, terms: DeflateTerms): Violation | null {
  if (response.client_no_context_takeover && terms.clientNoContextTakeover === false)
    return { code: 'GOODWIRE_UNEXPECTED_PARAMETER', name: 'client_no_context_takeover' };
  if (isBeyond(response.client_max_window_bits, terms.clientMaxWindowBits))
    return { code: 'GOODWIRE_CONTRADICTED_OFFER', name: 'client_max_window_bits' };
  if (terms.serverNoContextTakeover && !response.server_no_context_takeover)
    return { code: 'GOODWIRE_MISSING_PARAMETER', name: 'server_no_context_takeover' };
  // An absent window means 15, which an offer of 15 allows.
  const serverBits = response.server_max_window_bits ?? maxWindowBits;
  if (!isBeyond(serverBits, terms.serverMaxWindowBits || undefined)) return null;
  const isMissing = response.server_max_window_bits === undefined;
  const code = isMissing ? 'GOODWIRE_MISSING_PARAMETER' : 'GOODWIRE_CONTRADICTED_OFFER';
  return { code, name: 'server_max_window_bits' };
}

/** True if a window is larger than offered. An offer of `false` allows no window at all. */
function isBeyond(answered: number | undefined, offered: number | false | undefined): boolean {
  if (answered === undefined || offered === undefined) return false;
  return offered === false || answered > offered;
}

/**
 * Returns the agreement that a response establishes. `hint` is the maximum window that the client promised in its
 * offer; it holds whether or not the server confirms it (§7.1.2.2).
 */
function agreementOn(response: ResponseParameters, hint: number | undefined): DeflateAgreement {
  return {
    serverNoContextTakeover: response.server_no_context_takeover === true,
    clientNoContextTakeover: response.client_no_context_takeover === true,
    serverMaxWindowBits: response.server_max_window_bits ?? maxWindowBits,
    clientMaxWindowBits: response.client_max_window_bits ?? hint ?? maxWindowBits,
  };
}
