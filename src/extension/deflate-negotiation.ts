import { NegotiationError, type NegotiationErrorCode } from './negotiation-error.ts';

/** The name under which the extension is offered and accepted (RFC 7692 §7). */
export const permessageDeflate = 'permessage-deflate';

/** The parameters of one offer or of one response, in order; `true` is one without a value. */
export type ParameterList = readonly (readonly [name: string, value: string | true])[];

/** What an endpoint wants of permessage-deflate. What is left out is left to the peer. */
export interface DeflateNegotiationOptions {
  /**
   * Client: `true` demands that the server compresses each message by itself. Server: `true` does so whether or not it is asked to,
   * `false` declines offers that demand it (§7.1.1.1).
   */
  serverNoContextTakeover?: boolean | undefined;
  /**
   * Client: `true` tells the server that context takeover is not needed, `false` fails connections whose server forbids it.
   * Server: `true` forbids it to the client (§7.1.1.2).
   */
  clientNoContextTakeover?: boolean | undefined;
  /**
   * Base-2 logarithm of the server's window, 8–15. Client: the largest that the server may use. Server: the one that it uses; offers
   * that demand a smaller one are declined, and with `false` all that demand any (§7.1.2.1).
   */
  serverMaxWindowBits?: number | boolean | undefined;
  /**
   * Base-2 logarithm of the client's window, 8–15. Client: the largest that it will use; left out or `true`, the server may limit it,
   * `false`, the server may not. Server: the largest that the client may use; offers in which the client cannot be limited to it are
   * declined. With `false` a server limits no client (§7.1.2.2).
   */
  clientMaxWindowBits?: number | boolean | undefined;
}

/** {@link DeflateNegotiationOptions} that have been checked. Made once, used for every handshake. */
export interface DeflateTerms {
  readonly serverNoContextTakeover: boolean | undefined;
  readonly clientNoContextTakeover: boolean | undefined;
  readonly serverMaxWindowBits: number | false | undefined;
  readonly clientMaxWindowBits: number | false | undefined;
}

/**
 * What both endpoints know once an offer has been accepted (RFC 7692 §7.1). A window is given as its base-2 logarithm, 8–15; 15 is what
 * holds where nothing was said. An endpoint may compress with less than is agreed: a smaller window, or no context takeover.
 *
 * Windows of 8 bits are agreed to although zlib cannot deflate with them: Node deflates with 9 in their place. That stays readable, as
 * zlib's matches reach back over 262 octets less than its window, which is 250 octets, and a window of 8 bits holds 256. (zlib inflates
 * with 8 bits as they are.) A deflater that uses its window to the end has to take 8 for 8.
 */
export interface DeflateAgreement {
  readonly serverNoContextTakeover: boolean;
  readonly clientNoContextTakeover: boolean;
  readonly serverMaxWindowBits: number;
  readonly clientMaxWindowBits: number;
}

/** An offer that a server has accepted. */
export interface AcceptedOffer {
  readonly agreement: DeflateAgreement;
  /** The parameters of the response. */
  readonly response: ParameterList;
}

const maxWindowBits = 15;

/** "A decimal integer value without leading zeroes between 8 to 15, inclusive" (§7.1.2.1, §7.1.2.2). */
const windowBitsPattern = /^(?:[89]|1[0-5])$/;

/**
 * The terms of an endpoint. `null` is taken as left out.
 * @throws TypeError when a window is neither a number nor a boolean, RangeError when it is not a whole number from 8 to 15.
 */
export function deflateTerms(options: DeflateNegotiationOptions = {}): DeflateTerms {
  return {
    serverNoContextTakeover: readTakeover(options.serverNoContextTakeover),
    clientNoContextTakeover: readTakeover(options.clientNoContextTakeover),
    serverMaxWindowBits: readWindowBits('serverMaxWindowBits', options.serverMaxWindowBits),
    clientMaxWindowBits: readWindowBits('clientMaxWindowBits', options.clientMaxWindowBits),
  };
}

/** As in `ws`, what is truthy asks for it, and only `false` refuses it. */
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

/** The parameters of a client's offer (RFC 7692 §7.1). */
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
 * The server's half: accepts the first offer that it can, the client's most preferred one coming first (RFC 7692 §5). Null when none can
 * be, which includes that there is none: the extension is declined, and the connection goes on without it. An offer that breaks a rule
 * is declined like any other: "A server MUST decline an extension negotiation offer for this extension if …" (§7.1).
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
 * Throws for an offer that breaks a rule of RFC 7692 §7.1, and which {@link acceptDeflateOffer} would decline. `ws` refuses the whole
 * handshake for it; a server that is to do the same asks here first.
 * @throws NegotiationError
 */
export function requireValidOffer(offer: ParameterList): void {
  const parameters = readParameters(offer, 'offer');
  if (isViolation(parameters)) throw toError(parameters);
}

/**
 * The client's half: what is agreed by the responses to its offer, of which there may be one (RFC 7692 §5). Null when there is none:
 * the server has declined.
 * @throws NegotiationError when a response breaks a rule or is none to the offer: the client fails the connection (§7.1).
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

/** The parameters of a response, whose values are valid. */
interface ResponseParameters {
  readonly server_no_context_takeover: true | undefined;
  readonly client_no_context_takeover: true | undefined;
  readonly server_max_window_bits: number | undefined;
  readonly client_max_window_bits: number | undefined;
}

/** The parameters of an offer, where `client_max_window_bits` may stand without a value. */
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

/** A violation is returned, not thrown: a header has room for a thousand bad offers, and an error takes its time to make. */
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

/** The value of a parameter; undefined if it is not valid. */
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
    // What a client demands of the server is confirmed (§7.1.1.1), what it says of itself made use of (§7.1.1.2).
    server_no_context_takeover: offer.server_no_context_takeover ?? (terms.serverNoContextTakeover || undefined),
    client_no_context_takeover: offer.client_no_context_takeover ?? (terms.clientNoContextTakeover || undefined),
    server_max_window_bits: serverBits,
    client_max_window_bits: clientBits,
  };
  const hint = offer.client_max_window_bits === true ? undefined : offer.client_max_window_bits;
  return { agreement: agreementOn(response, hint), response: formatParameters(response) };
}

/** The `server_max_window_bits` of the response: "the same or smaller value as the offer" (§7.1.2.1). Null declines the offer. */
function acceptServerBits(
  offered: number | undefined,
  wanted: DeflateTerms['serverMaxWindowBits'],
): number | undefined | null {
  if (offered === undefined) return wanted || undefined;
  if (wanted === false) return null;
  if (wanted === undefined) return offered;
  // A smaller window would do too, but the application named its window, and `ws` declines.
  return wanted > offered ? null : wanted;
}

/** The `client_max_window_bits` of the response: none if the offer had none (§7.1.2.2). Null declines the offer. */
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

/** Where a response does not go with the offer that was made on these terms: "the client does not support the configuration" (§7.1). */
function findContradiction(response: ResponseParameters, terms: DeflateTerms): Violation | null {
  if (response.client_no_context_takeover && terms.clientNoContextTakeover === false)
    return { code: 'GOODWIRE_UNEXPECTED_PARAMETER', name: 'client_no_context_takeover' };
  if (isBeyond(response.client_max_window_bits, terms.clientMaxWindowBits))
    return { code: 'GOODWIRE_CONTRADICTED_OFFER', name: 'client_max_window_bits' };
  if (terms.serverNoContextTakeover && !response.server_no_context_takeover)
    return { code: 'GOODWIRE_MISSING_PARAMETER', name: 'server_no_context_takeover' };
  // Left out, it stands for 15, which an offer of 15 allows.
  const serverBits = response.server_max_window_bits ?? maxWindowBits;
  if (!isBeyond(serverBits, terms.serverMaxWindowBits || undefined)) return null;
  const isMissing = response.server_max_window_bits === undefined;
  const code = isMissing ? 'GOODWIRE_MISSING_PARAMETER' : 'GOODWIRE_CONTRADICTED_OFFER';
  return { code, name: 'server_max_window_bits' };
}

/** Whether a window is larger than was offered; false is an offer that allows none to be named. */
function isBeyond(answered: number | undefined, offered: number | false | undefined): boolean {
  if (answered === undefined || offered === undefined) return false;
  return offered === false || answered > offered;
}

/**
 * The agreement that a response makes. The hint is the window that the client said in its offer that it will not go beyond, whether or
 * not the server confirms it (§7.1.2.2).
 */
function agreementOn(response: ResponseParameters, hint: number | undefined): DeflateAgreement {
  return {
    serverNoContextTakeover: response.server_no_context_takeover === true,
    clientNoContextTakeover: response.client_no_context_takeover === true,
    serverMaxWindowBits: response.server_max_window_bits ?? maxWindowBits,
    clientMaxWindowBits: response.client_max_window_bits ?? hint ?? maxWindowBits,
  };
}
