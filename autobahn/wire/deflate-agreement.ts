import { OpeningError } from './http-head.ts';

/** What was agreed upon about permessage-deflate (RFC 7692 §7). Window bits go from 8 to 15. */
export interface DeflateAgreement {
  readonly serverNoContextTakeover: boolean;
  readonly clientNoContextTakeover: boolean;
  readonly serverMaxWindowBits: number;
  readonly clientMaxWindowBits: number;
}

/** What we ask of the peer's compression, as Autobahn writes it: (requestNoContextTakeover, requestMaxWindowBits), 0 for none. */
export interface DeflateRequest {
  readonly noContextTakeover: boolean;
  readonly maxWindowBits: number;
}

/** An element of `Sec-WebSocket-Extensions`: a token and its parameters, in order; null for one without a value. */
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
    throw new OpeningError(`window bits are ${value ?? 'missing'}, where 8 to 15 are allowed (RFC 7692 §7.1.2)`);
  }
  return Number(value);
}

/** The offers of a client, the one that it would like best first (RFC 7692 §7.1). */
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
 * What a server made of our offers; null when it took none. Its answer has to be the answer to one of them (RFC 7692 §7.1).
 *
 * @throws {OpeningError} It answers none of our offers.
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
    throw new OpeningError(`the server agreed to what was not offered: ${response}`);
  }
  const agreement = readAgreement(extension);
  // A window that is left out has 15 bits: who asked for 15 gets what was asked, so nothing is held against a server that does not say so.
  const isAnswer = requests.some(
    ({ noContextTakeover, maxWindowBits }) =>
      (!noContextTakeover || agreement.serverNoContextTakeover) &&
      (maxWindowBits === 0 || agreement.serverMaxWindowBits <= maxWindowBits),
  );
  if (!isAnswer) throw new OpeningError(`the server's answer fits none of our offers: ${response}`);
  return agreement;
}

/**
 * What we as a server agree to: the first of our wishes that one of the client's offers has room for; null when none has.
 * The text is the value of `Sec-WebSocket-Extensions`.
 *
 * @throws {OpeningError} The offers are not well-formed.
 */
export function acceptDeflate(
  offers: string | null,
  wishes: readonly DeflateRequest[],
): { agreement: DeflateAgreement; text: string } | null {
  if (offers === null) return null;
  const candidates = parseExtensions(offers).filter(({ name }) => name === 'permessage-deflate');
  for (const wish of wishes) {
    for (const candidate of candidates) {
      // In an offer the window of the client may stand without a value: as much as the server likes (§7.1.2.2).
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
