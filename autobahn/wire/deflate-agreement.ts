import { OpeningError } from './http-head.ts';

/** Agreed parameters of permessage-deflate (RFC 7692 §7). Window bits are 8 to 15. */
export interface DeflateAgreement {
  readonly serverNoContextTakeover: boolean;
  readonly clientNoContextTakeover: boolean;
  readonly serverMaxWindowBits: number;
  readonly clientMaxWindowBits: number;
}

/**
 * Settings requested for the peer's compression, in Autobahn's notation: (requestNoContextTakeover,
 * requestMaxWindowBits), 0 for none.
 */
export interface DeflateRequest {
  readonly noContextTakeover: boolean;
  readonly maxWindowBits: number;
}

/**
 * Element of `Sec-WebSocket-Extensions`: a token and its parameters, in order. Null stands for a parameter without a
 * value.
 */
interface Extension {
  readonly name: string;
  readonly parameters: readonly (readonly [name: string, value: string | null])[];
}

const token = "[!#$%&'*+\\-.^_`|~\\w]+";
const parameter = new RegExp(`^(${token})(?:=(?:(${token})|"(${token})"))?$`);

function parseExtensions(value: string): Extension[] {
  return value.split(',').map((element) => {
    const [name = '', ...parts] = element.split(';').map((part) => part.trim());
    const parameters = parts.map((part) => {
      const match = parameter.exec(part);
      if (match === null) throw new OpeningError(`an extension has the parameter ${JSON.stringify(part)}`);
      return [match[1] as string, match[2] ?? match[3] ?? null] as const;
    });
    if (new Set(parameters.map(([key]) => key)).size < parameters.length) {
      throw new OpeningError(`an extension has a parameter twice: ${element.trim()}`);
    }
    return { name, parameters };
  });
}

function windowBits(value: string | null): number {
  if (value === null || !/^(?:[89]|1[0-5])$/.test(value)) {
    throw new OpeningError(`window bits are ${value ?? 'missing'}; expected 8 to 15 (RFC 7692 §7.1.2)`);
  }
  return Number(value);
}

/** Returns the offers of a client, the preferred one first (RFC 7692 §7.1). */
export function offerDeflate(requests: readonly DeflateRequest[]): string {
  return requests
    .map(({ noContextTakeover, maxWindowBits }) =>
      [
        'permessage-deflate',
        'client_max_window_bits',
        ...(noContextTakeover ? ['server_no_context_takeover'] : []),
        ...(maxWindowBits === 0 ? [] : [`server_max_window_bits=${maxWindowBits}`]),
      ].join('; '),
    )
    .join(', ');
}

function readAgreement(extension: Extension): DeflateAgreement {
  let agreement: DeflateAgreement = {
    serverNoContextTakeover: false,
    clientNoContextTakeover: false,
    serverMaxWindowBits: 15,
    clientMaxWindowBits: 15,
  };
  for (const [name, value] of extension.parameters) {
    if (name === 'server_no_context_takeover' && value === null)
      agreement = { ...agreement, serverNoContextTakeover: true };
    else if (name === 'client_no_context_takeover' && value === null)
      agreement = { ...agreement, clientNoContextTakeover: true };
    else if (name === 'server_max_window_bits') agreement = { ...agreement, serverMaxWindowBits: windowBits(value) };
    else if (name === 'client_max_window_bits') agreement = { ...agreement, clientMaxWindowBits: windowBits(value) };
    else throw new OpeningError(`permessage-deflate has no parameter ${name}${value === null ? '' : `=${value}`}`);
  }
  return agreement;
}

/**
 * Returns the agreement in a server's response; null if it accepted no offer. The response must match one of our offers
 * (RFC 7692 §7.1).
 *
 * @throws {OpeningError} The response matches none of our offers.
 */
export function checkAgreement(response: string | null, requests: readonly DeflateRequest[]): DeflateAgreement | null {
  if (response === null) return null;
  const [extension, second] = parseExtensions(response);
  if (
    extension === undefined ||
    second !== undefined ||
    extension.name !== 'permessage-deflate' ||
    requests.length === 0
  ) {
    throw new OpeningError(`the server accepted an extension that was not offered: ${response}`);
  }
  const agreement = readAgreement(extension);
  // An absent window has 15 bits, so a server that omits the 15 bits we asked for is correct.
  const isAnswer = requests.some(
    ({ noContextTakeover, maxWindowBits }) =>
      (!noContextTakeover || agreement.serverNoContextTakeover) &&
      (maxWindowBits === 0 || agreement.serverMaxWindowBits <= maxWindowBits),
  );
  if (!isAnswer) throw new OpeningError(`the server's response matches none of our offers: ${response}`);
  return agreement;
}

/**
 * Returns the response of our server: the first of our wishes that is compatible with one of the client's offers; null
 * if none is. `text` is the value of `Sec-WebSocket-Extensions`.
 *
 * @throws {OpeningError} The offers are malformed.
 */
export function acceptDeflate(
  offers: string | null,
  wishes: readonly DeflateRequest[],
): { agreement: DeflateAgreement; text: string } | null {
  if (offers === null) return null;
  const candidates = parseExtensions(offers).filter(({ name }) => name === 'permessage-deflate');
  for (const wish of wishes) {
    for (const candidate of candidates) {
      // In an offer `client_max_window_bits` may have no value: the server may then choose any limit (§7.1.2.2).
      const hint = candidate.parameters.find(([name]) => name === 'client_max_window_bits');
      const limit = hint?.[1] ?? null;
      const rest = candidate.parameters.filter((entry) => entry !== hint);
      const offered = readAgreement({ name: candidate.name, parameters: rest });
      if (wish.maxWindowBits !== 0 && hint === undefined) continue;
      const clientLimit = limit === null ? 15 : windowBits(limit);
      const agreement: DeflateAgreement = {
        ...offered,
        clientNoContextTakeover: wish.noContextTakeover || offered.clientNoContextTakeover,
        clientMaxWindowBits: Math.min(clientLimit, wish.maxWindowBits === 0 ? 15 : wish.maxWindowBits),
      };
      return { agreement, text: formatAgreement(agreement) };
    }
  }
  return null;
}

function formatAgreement(agreement: DeflateAgreement): string {
  const { serverNoContextTakeover, clientNoContextTakeover, serverMaxWindowBits, clientMaxWindowBits } = agreement;
  return [
    'permessage-deflate',
    ...(serverNoContextTakeover ? ['server_no_context_takeover'] : []),
    ...(clientNoContextTakeover ? ['client_no_context_takeover'] : []),
    ...(serverMaxWindowBits < 15 ? [`server_max_window_bits=${serverMaxWindowBits}`] : []),
    ...(clientMaxWindowBits < 15 ? [`client_max_window_bits=${clientMaxWindowBits}`] : []),
  ].join('; ');
}
