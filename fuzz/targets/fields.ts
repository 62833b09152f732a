import { createRequire } from 'node:module';
import {
  acceptDeflateOffer,
  acceptDeflateResponse,
  deflateTerms,
  permessageDeflate,
} from '../../src/extension/deflate-negotiation.ts';
import { NegotiationError } from '../../src/extension/negotiation-error.ts';
import { parseAddress } from '../../src/handshake/client-handshake.ts';
import {
  type Extension,
  formatExtensions,
  parseExtensions,
  parseExtensionsStrictly,
} from '../../src/handshake/extensions.ts';
import { hasToken, isFieldValue, isSingleLine, isToken } from '../../src/handshake/fields.ts';
import { allowOrigins, normalizeOrigin } from '../../src/handshake/origin.ts';
import { parseSubprotocols, parseSubprotocolsStrictly } from '../../src/handshake/subprotocols.ts';
import { demand, type Target } from '../case.ts';
import { mutateText } from '../mutations/text.ts';

const ws = createRequire(import.meta.url)('ws') as {
  extension: { parse(header: string): Record<string, Record<string, (string | true)[]>[]> };
  subprotocol: { parse(header: string): Set<string> };
};

/** Returns the result of a call, or null for a documented error. Other errors are rethrown. */
function outcome<T>(call: () => T, ...kinds: (new (...args: never[]) => Error)[]): T | null {
  try {
    return call();
  } catch (error) {
    if (kinds.some((kind) => error instanceof kind)) return null;
    throw error;
  }
}

/** Formats extensions as ws does: by name, each offer with the values of its parameters by name. */
function asWs(extensions: readonly Extension[]): string {
  return JSON.stringify(
    extensions.map(({ name, parameters }) => [name, [...parameters].map(([key, value]) => [key, value]).sort()]).sort(),
  );
}

function flattened(parsed: ReturnType<typeof ws.extension.parse>): string {
  const list = Object.keys(parsed).flatMap((name) =>
    parsed[name]!.map(
      (offer) =>
        [
          name,
          Object.keys(offer)
            .flatMap((key) => offer[key]!.map((value) => [key, value]))
            .sort(),
        ] as const,
    ),
  );
  return JSON.stringify([...list].sort());
}

const terms = [
  deflateTerms(),
  deflateTerms({
    serverNoContextTakeover: true,
    clientNoContextTakeover: true,
    serverMaxWindowBits: 10,
    clientMaxWindowBits: 9,
  }),
  deflateTerms({ serverMaxWindowBits: false, clientMaxWindowBits: false }),
];

function negotiate(extensions: readonly Extension[]): string {
  const offers = extensions.filter(({ name }) => name === permessageDeflate).map(({ parameters }) => parameters);
  const kinds = terms.map((server) => {
    const accepted = acceptDeflateOffer(offers, server);
    if (accepted === null) return '-';
    const { agreement } = accepted;
    for (const bits of [agreement.serverMaxWindowBits, agreement.clientMaxWindowBits])
      demand(Number.isInteger(bits) && bits >= 8 && bits <= 15, 'an agreed window is valid', bits);
    return `${agreement.serverMaxWindowBits} ${agreement.clientMaxWindowBits}`;
  });
  const responses = terms.map(
    (client) => outcome(() => acceptDeflateResponse(offers, client), NegotiationError) !== null,
  );
  return `${kinds} ${responses}`;
}

export const fields: Target = {
  name: 'fields',
  title:
    'The grammars of header fields and addresses: a value or a SyntaxError, as in ws; formatted values are parsed again',

  seeds: () =>
    [
      'permessage-deflate; client_max_window_bits',
      'permessage-deflate; server_max_window_bits=10; client_no_context_takeover, permessage-deflate',
      'a; b="c"; d, e;f=g',
      'chat, superchat',
      'keep-alive, Upgrade',
      'https://example.com:8443',
      'null',
      'ws://user:pass@example.com:8080/path?query',
      'ws+unix:/tmp/socket:/path',
      'wss://[::1]/',
    ].map((text, config) => ({ octets: Buffer.from(text), cut: [], config })),

  mutate: (random, given, other) => ({ ...given, octets: mutateText(random, given.octets, other.octets) }),

  run({ octets }) {
    const text = octets.toString('latin1');

    const strict = outcome(() => parseExtensionsStrictly(text), SyntaxError);
    const wsExtensions = outcome(() => ws.extension.parse(text), SyntaxError);
    demand((strict === null) === (wsExtensions === null), 'both read extensions, or neither does', text);
    const extensions = outcome(() => parseExtensions(text), SyntaxError);
    let negotiated = '';
    if (strict !== null && wsExtensions !== null) {
      demand(asWs(strict) === flattened(wsExtensions), 'both read the same extensions', [
        asWs(strict),
        flattened(wsExtensions),
      ]);
      demand(JSON.stringify(extensions) === JSON.stringify(strict), 'what ws accepts is read alike', text);
    }
    if (extensions !== null) {
      const again = formatExtensions(extensions);
      demand(isFieldValue(again), 'formatted extensions can be sent', again);
      demand(
        JSON.stringify(parseExtensions(again)) === JSON.stringify(extensions),
        'formatted extensions are parsed again',
        again,
      );
      negotiated = negotiate(extensions);
    }

    const subprotocols = outcome(() => parseSubprotocols(text), SyntaxError);
    const strictSubprotocols = outcome(() => parseSubprotocolsStrictly(text), SyntaxError);
    const wsSubprotocols = outcome(() => ws.subprotocol.parse(text), SyntaxError);
    demand(
      (strictSubprotocols === null) === (wsSubprotocols === null),
      'both read subprotocols, or neither does',
      text,
    );
    if (strictSubprotocols !== null) {
      demand([...strictSubprotocols].join() === [...wsSubprotocols!].join(), 'both read the same subprotocols', text);
      demand([...strictSubprotocols].join() === [...(subprotocols ?? [])].join(), 'empty elements are optional', text);
    }
    if (subprotocols !== null) {
      for (const one of subprotocols) demand(isToken(one), 'a subprotocol is a token', one);
      demand(hasToken(text, [...subprotocols][0]!), 'the first is in the list');
    }

    const origin = normalizeOrigin(text);
    if (origin !== undefined) {
      demand(normalizeOrigin(origin) === origin, 'an origin is normal once it is normalized', origin);
      demand(
        !allowOrigins(['https://goodwire.example'])(text) || origin === 'https://goodwire.example',
        'no other origin is accepted',
        text,
      );
    }

    const address = outcome(() => parseAddress(text), SyntaxError);
    if (address !== null) {
      const { host, authority, path, port } = address;
      demand(Number.isInteger(port) && port >= 0 && port <= 65_535, 'a port is valid', port);
      for (const part of [host, authority, path])
        demand(isSingleLine(part), 'no part of an address breaks a line', part);
      demand(path.startsWith('/') || address.socketPath !== undefined, 'a path begins with a slash', path);
    }
    demand(!isFieldValue(text) || isSingleLine(text), 'a field value stays on its line');
    return `${extensions?.length} ${negotiated} ${subprotocols?.size} ${origin === undefined} ${address === null}`;
  },
};
