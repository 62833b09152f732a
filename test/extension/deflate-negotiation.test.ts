import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  acceptDeflateOffer,
  acceptDeflateResponse,
  type DeflateNegotiationOptions,
  deflateTerms,
  offerDeflate,
  type ParameterList,
  permessageDeflate,
  requireValidOffer,
} from '../../src/extension/deflate-negotiation.ts';
import {
  NegotiationError,
  type NegotiationErrorCode,
  negotiationViolations,
} from '../../src/extension/negotiation-error.ts';
import { formatExtensions, parseExtensions } from '../../src/handshake/extensions.ts';

/** Returns the parameters of each element of a header. */
function elements(header: string): ParameterList[] {
  return parseExtensions(header)
    .filter(({ name }) => name === permessageDeflate)
    .map(({ parameters }) => parameters);
}

function header(parameters: ParameterList): string {
  return formatExtensions([{ name: permessageDeflate, parameters }]);
}

const offer = (options?: DeflateNegotiationOptions): string => header(offerDeflate(deflateTerms(options)));

/** Returns the header of a server's response; null if the server declines. */
function respond(offers: string, options?: DeflateNegotiationOptions): string | null {
  const accepted = acceptDeflateOffer(elements(offers), deflateTerms(options));
  return accepted === null ? null : header(accepted.response);
}

const agreed = (response: string, options?: DeflateNegotiationOptions) =>
  acceptDeflateResponse(elements(response), deflateTerms(options));

/** Returns the code with which a client refuses a response; undefined if it accepts. */
function refusal(response: string, options?: DeflateNegotiationOptions): NegotiationErrorCode | undefined {
  try {
    agreed(response, options);
    return undefined;
  } catch (error) {
    expect(error).toBeInstanceOf(NegotiationError);
    return (error as NegotiationError).code;
  }
}

const nothingSaid = {
  serverNoContextTakeover: false,
  clientNoContextTakeover: false,
  serverMaxWindowBits: 15,
  clientMaxWindowBits: 15,
};

describe('the terms of an endpoint', () => {
  it.each([7, 16, 0, -8, 9.5, Number.NaN, Number.POSITIVE_INFINITY])('refuse a window of %d bits at once', (bits) => {
    expect(() => deflateTerms({ serverMaxWindowBits: bits })).toThrow(
      new RangeError(`serverMaxWindowBits must be a whole number from 8 to 15, not ${bits}`),
    );
    expect(() => deflateTerms({ clientMaxWindowBits: bits })).toThrow(RangeError);
  });

  it.each(['10', {}, 10n])('refuse a window that is neither a number nor a boolean: %o', (bits) => {
    const options = { clientMaxWindowBits: bits } as DeflateNegotiationOptions;
    expect(() => deflateTerms(options)).toThrow(
      new TypeError(`clientMaxWindowBits must be a number or a boolean, not a ${typeof bits}`),
    );
  });

  it('treat null as missing, and any truthy value as true', () => {
    const nulls = { serverMaxWindowBits: null, clientMaxWindowBits: null, serverNoContextTakeover: null } as unknown;
    expect(deflateTerms(nulls as DeflateNegotiationOptions)).toEqual(deflateTerms());
    expect(deflateTerms({ serverNoContextTakeover: 1 } as unknown as DeflateNegotiationOptions)).toEqual(
      deflateTerms({ serverNoContextTakeover: true }),
    );
  });
});

describe('the offer of a client', () => {
  it.each<[string, DeflateNegotiationOptions | undefined]>([
    ['permessage-deflate; client_max_window_bits', undefined],
    ['permessage-deflate; client_max_window_bits', {}],
    ['permessage-deflate; client_max_window_bits', { clientMaxWindowBits: true }],
    ['permessage-deflate', { clientMaxWindowBits: false }],
    ['permessage-deflate; client_max_window_bits=8', { clientMaxWindowBits: 8 }],
    ['permessage-deflate; server_max_window_bits=8; client_max_window_bits', { serverMaxWindowBits: 8 }],
    ['permessage-deflate; client_max_window_bits', { serverMaxWindowBits: true }],
    ['permessage-deflate; client_max_window_bits', { serverMaxWindowBits: false }],
    ['permessage-deflate; client_max_window_bits', { serverNoContextTakeover: false, clientNoContextTakeover: false }],
    [
      'permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=11; client_max_window_bits=12',
      {
        serverNoContextTakeover: true,
        clientNoContextTakeover: true,
        serverMaxWindowBits: 11,
        clientMaxWindowBits: 12,
      },
    ],
  ])('is %s for %o', (expected, options) => {
    expect(offer(options)).toBe(expected);
  });
});

describe('the examples of RFC 7692 §7.1.3', () => {
  it('accepts the simplest offer with the simplest response', () => {
    expect(respond('permessage-deflate')).toBe('permessage-deflate');
    expect(agreed('permessage-deflate')).toEqual(nothingSaid);
  });

  it('accepts an offer that limits the window of the server, and lets the server limit the client’s with client_max_window_bits', () => {
    const offered = 'permessage-deflate; client_max_window_bits; server_max_window_bits=10';
    expect(respond(offered)).toBe('permessage-deflate; server_max_window_bits=10');
    expect(agreed('permessage-deflate; server_max_window_bits=10', { serverMaxWindowBits: 10 })).toEqual({
      ...nothingSaid,
      serverMaxWindowBits: 10,
    });
  });

  it('falls back to the second offer if a server cannot limit its window', () => {
    const offered =
      'permessage-deflate; client_max_window_bits; server_max_window_bits=10, permessage-deflate; client_max_window_bits';
    expect(respond(offered)).toBe('permessage-deflate; server_max_window_bits=10');
    expect(respond(offered, { serverMaxWindowBits: false })).toBe('permessage-deflate');
    expect(respond(offered, { serverMaxWindowBits: false, clientMaxWindowBits: 9 })).toBe(
      'permessage-deflate; client_max_window_bits=9',
    );
  });

  it('follows the client’s order among several extensions (§5.2)', () => {
    const offered = 'permessage-foo; use_y, permessage-deflate; server_no_context_takeover, permessage-deflate';
    expect(respond(offered)).toBe('permessage-deflate; server_no_context_takeover');
    expect(respond('permessage-foo')).toBe(null);
  });
});

describe('a server', () => {
  it.each<[string | null, string, DeflateNegotiationOptions]>([
    // §7.1.1.1: the server confirms what the client requires, or declines the offer.
    ['; server_no_context_takeover', '; server_no_context_takeover', {}],
    [null, '; server_no_context_takeover', { serverNoContextTakeover: false }],
    ['; server_no_context_takeover', '', { serverNoContextTakeover: true }],
    // §7.1.1.2: the server uses the client's promises, and may require more.
    ['; client_no_context_takeover', '; client_no_context_takeover', { clientNoContextTakeover: false }],
    ['; client_no_context_takeover', '', { clientNoContextTakeover: true }],
    // §7.1.2.1
    ['; server_max_window_bits=8', '; server_max_window_bits=8', {}],
    ['; server_max_window_bits=10', '; server_max_window_bits=12', { serverMaxWindowBits: 10 }],
    ['; server_max_window_bits=10', '; server_max_window_bits=10', { serverMaxWindowBits: 10 }],
    ['; server_max_window_bits=10', '', { serverMaxWindowBits: 10 }],
    ['; server_max_window_bits=9', '; server_max_window_bits=9', { serverMaxWindowBits: true }],
    [null, '; server_max_window_bits=9', { serverMaxWindowBits: 10 }],
    [null, '; server_max_window_bits=15', { serverMaxWindowBits: false }],
    // §7.1.2.2
    ['', '; client_max_window_bits', {}],
    ['; client_max_window_bits=8', '; client_max_window_bits=8', {}],
    ['; client_max_window_bits=15', '; client_max_window_bits=15', { clientMaxWindowBits: true }],
    ['', '; client_max_window_bits=10', { clientMaxWindowBits: false }],
    ['', '; client_max_window_bits', { clientMaxWindowBits: false }],
    ['; client_max_window_bits=10', '; client_max_window_bits', { clientMaxWindowBits: 10 }],
    ['; client_max_window_bits=10', '; client_max_window_bits=15', { clientMaxWindowBits: 10 }],
    [null, '; client_max_window_bits=9', { clientMaxWindowBits: 10 }],
    [null, '', { clientMaxWindowBits: 15 }],
  ])('answers %o to the parameters %o with %o', (expected, offered, options) => {
    const response = respond(`permessage-deflate${offered}`, options);
    expect(response).toBe(expected === null ? null : `permessage-deflate${expected}`);
  });

  const invalid: [string, NegotiationErrorCode][] = [
    ...['7', '16', '-8', '08', '1e1', '8.0', '+9', '0xa', '99', '150', '10.'].flatMap((bits) =>
      ['server_max_window_bits', 'client_max_window_bits'].map((name): [string, NegotiationErrorCode] => [
        `${name}=${bits}`,
        'GOODWIRE_INVALID_PARAMETER',
      ]),
    ),
    ['server_max_window_bits', 'GOODWIRE_INVALID_PARAMETER'],
    ['server_no_context_takeover=true', 'GOODWIRE_INVALID_PARAMETER'],
    ['client_no_context_takeover=1', 'GOODWIRE_INVALID_PARAMETER'],
    ['server_max_window_bits=10; server_max_window_bits=10', 'GOODWIRE_REPEATED_PARAMETER'],
    ['client_max_window_bits; client_max_window_bits=10', 'GOODWIRE_REPEATED_PARAMETER'],
    ['client_no_context_takeover; client_no_context_takeover', 'GOODWIRE_REPEATED_PARAMETER'],
    ['foo', 'GOODWIRE_UNKNOWN_PARAMETER'],
    ['Client_max_window_bits', 'GOODWIRE_UNKNOWN_PARAMETER'],
    ['__proto__', 'GOODWIRE_UNKNOWN_PARAMETER'],
    ['constructor=10', 'GOODWIRE_UNKNOWN_PARAMETER'],
    ['toString', 'GOODWIRE_UNKNOWN_PARAMETER'],
  ];

  it.each(invalid)('declines an offer with %s, and no other', (parameters, code) => {
    const bad = `permessage-deflate; ${parameters}`;
    expect(respond(bad)).toBe(null);
    expect(respond(`${bad}, permessage-deflate; client_no_context_takeover`)).toBe(
      'permessage-deflate; client_no_context_takeover',
    );
    expect(() => requireValidOffer(elements(bad)[0]!)).toThrow(expect.objectContaining({ name: 'Error', code }));
  });

  it('declines an offer with an undefined value, which only a caller can create', () => {
    expect(acceptDeflateOffer([[['server_max_window_bits', '']]], deflateTerms())).toBe(null);
    expect(acceptDeflateOffer([[['server_no_context_takeover', '']]], deflateTerms())).toBe(null);
  });

  it('accepts a quoted window after unquoting (RFC 6455 §9.1)', () => {
    expect(respond('permessage-deflate; server_max_window_bits="10"')).toBe(
      'permessage-deflate; server_max_window_bits=10',
    );
  });

  it('declines a valid offer that it cannot accept, without an error', () => {
    expect(() => requireValidOffer([['client_max_window_bits', true]])).not.toThrow();
    expect(() => requireValidOffer([])).not.toThrow();
  });

  it('declines if nothing is offered', () => {
    expect(acceptDeflateOffer([], deflateTerms())).toBe(null);
  });

  it('uses the window to which the client has limited itself, without confirming it (§7.1.2.2)', () => {
    const accepted = acceptDeflateOffer(
      [[['client_max_window_bits', '10']]],
      deflateTerms({ clientMaxWindowBits: false }),
    );
    expect(accepted).toEqual({ agreement: { ...nothingSaid, clientMaxWindowBits: 10 }, response: [] });
  });

  it('declines ten thousand invalid offers and parameters in a short time', () => {
    const offers = Array.from({ length: 10_000 }, (): ParameterList => [['foo', true]]);
    const long = Array.from({ length: 10_000 }, (): [string, true] => ['client_no_context_takeover', true]);
    const began = process.cpuUsage();
    expect(acceptDeflateOffer([...offers, long], deflateTerms())).toBe(null);
    expect(process.cpuUsage(began).user).toBeLessThan(500_000);
  });
});

describe('a client', () => {
  it('treats a missing response as declined', () => {
    expect(acceptDeflateResponse([], deflateTerms())).toBe(null);
  });

  it.each<[NegotiationErrorCode | undefined, string, DeflateNegotiationOptions]>([
    [undefined, '; server_no_context_takeover; client_no_context_takeover', {}],
    [undefined, '; server_max_window_bits=8; client_max_window_bits=8', {}],
    // §7.1: undefined parameters, invalid values, and repeated names.
    ['GOODWIRE_UNKNOWN_PARAMETER', '; foo', {}],
    ['GOODWIRE_UNKNOWN_PARAMETER', '; __proto__=1', {}],
    ['GOODWIRE_REPEATED_PARAMETER', '; server_no_context_takeover; server_no_context_takeover', {}],
    ['GOODWIRE_INVALID_PARAMETER', '; server_no_context_takeover=1', {}],
    ['GOODWIRE_INVALID_PARAMETER', '; server_max_window_bits', {}],
    ['GOODWIRE_INVALID_PARAMETER', '; server_max_window_bits=16', {}],
    ['GOODWIRE_INVALID_PARAMETER', '; server_max_window_bits=08', {}],
    ['GOODWIRE_INVALID_PARAMETER', '; client_max_window_bits', {}],
    ['GOODWIRE_INVALID_PARAMETER', '; client_max_window_bits=7', {}],
    // §7.1.2.2: "MUST NOT include" the parameter if the offer had none, and not exceed the client's own limit.
    ['GOODWIRE_CONTRADICTED_OFFER', '; client_max_window_bits=15', { clientMaxWindowBits: false }],
    ['GOODWIRE_CONTRADICTED_OFFER', '; client_max_window_bits=11', { clientMaxWindowBits: 10 }],
    [undefined, '; client_max_window_bits=10', { clientMaxWindowBits: 10 }],
    [undefined, '; client_max_window_bits=15', { clientMaxWindowBits: true }],
    [undefined, '', { clientMaxWindowBits: 10 }],
    // §7.1.1.2
    ['GOODWIRE_UNEXPECTED_PARAMETER', '; client_no_context_takeover', { clientNoContextTakeover: false }],
    [undefined, '', { clientNoContextTakeover: true }],
    // §7.1.1.1: a server accepts by including the parameter.
    ['GOODWIRE_MISSING_PARAMETER', '', { serverNoContextTakeover: true }],
    [undefined, '; server_no_context_takeover', { serverNoContextTakeover: false }],
    // §7.1.2.1: "with the same or smaller value"; the default is 15.
    ['GOODWIRE_CONTRADICTED_OFFER', '; server_max_window_bits=11', { serverMaxWindowBits: 10 }],
    ['GOODWIRE_MISSING_PARAMETER', '', { serverMaxWindowBits: 14 }],
    [undefined, '', { serverMaxWindowBits: 15 }],
    [undefined, '; server_max_window_bits=9', { serverMaxWindowBits: 10 }],
    [undefined, '; server_max_window_bits=9', { serverMaxWindowBits: false }],
    // §5: two responses would conflict on RSV1.
    ['GOODWIRE_REPEATED_RESPONSE', ', permessage-deflate', {}],
  ])('reports %s in the response %o to its offer with %o', (code, parameters, options) => {
    expect(refusal(`permessage-deflate${parameters}`, options)).toBe(code);
  });

  it('returns the agreement', () => {
    const response =
      'permessage-deflate; client_max_window_bits=9; server_max_window_bits=8; server_no_context_takeover; client_no_context_takeover';
    expect(agreed(response, { clientMaxWindowBits: 12 })).toEqual({
      serverNoContextTakeover: true,
      clientNoContextTakeover: true,
      serverMaxWindowBits: 8,
      clientMaxWindowBits: 9,
    });
    expect(agreed('permessage-deflate', { clientMaxWindowBits: 12 })).toEqual({
      ...nothingSaid,
      clientMaxWindowBits: 12,
    });
  });

  it('names the section whose rule a response breaks', () => {
    expect(() => agreed('permessage-deflate; server_max_window_bits=16')).toThrow(
      expect.objectContaining({
        name: 'Error',
        code: 'GOODWIRE_INVALID_PARAMETER',
        section: '7.1',
        message: 'Invalid value for parameter "server_max_window_bits": 16',
        detail: `RFC 7692 §7.1: ${negotiationViolations.GOODWIRE_INVALID_PARAMETER.expected}`,
      }),
    );
    const twice = new NegotiationError('GOODWIRE_REPEATED_RESPONSE');
    expect([twice.message, twice.section]).toEqual(['More than one response to the offers of permessage-deflate', '5']);
    expect(new NegotiationError('GOODWIRE_MISSING_PARAMETER', 'x').message).toBe('Missing parameter "x"');
  });
});

const windowBits = fc.option(fc.oneof(fc.integer({ min: 8, max: 15 }), fc.boolean()), { nil: undefined });
const takeover = fc.option(fc.boolean(), { nil: undefined });
const anyOptions = fc.record({
  serverNoContextTakeover: takeover,
  clientNoContextTakeover: takeover,
  serverMaxWindowBits: windowBits,
  clientMaxWindowBits: windowBits,
});

const anyName = fc.oneof(
  fc.constantFrom('server_no_context_takeover', 'client_no_context_takeover', 'server_max_window_bits'),
  fc.constantFrom('client_max_window_bits', '__proto__', 'constructor', 'toString', 'hasOwnProperty', 'code'),
  fc.string(),
);
const anyValue = fc.oneof(
  fc.constant(true as const),
  fc.constantFrom('', '08', '7', '8', '15', '16', '-8', '1e1'),
  fc.string(),
);
const anyParameters: fc.Arbitrary<ParameterList> = fc.array(fc.tuple(anyName, anyValue), { maxLength: 4 });

describe('the two halves', () => {
  it('agree on the same parameters, for any offer of the client and any terms of the server', () => {
    const counts = { agreed: 0, declined: 0, refused: 0 };
    fc.assert(
      fc.property(anyOptions, anyOptions, (client, server) => {
        const accepted = acceptDeflateOffer(elements(offer(client)), deflateTerms(server));
        if (accepted === null) {
          counts.declined++;
          return;
        }
        const overTheWire = elements(header(accepted.response));
        const { agreement } = accepted;
        if (agreement.clientNoContextTakeover && client.clientNoContextTakeover === false) {
          // An offer cannot express that the client refuses context takeover.
          counts.refused++;
          expect(() => acceptDeflateResponse(overTheWire, deflateTerms(client))).toThrow(
            expect.objectContaining({ code: 'GOODWIRE_UNEXPECTED_PARAMETER' }),
          );
          return;
        }
        counts.agreed++;
        expect(acceptDeflateResponse(overTheWire, deflateTerms(client))).toEqual(agreement);
        if (client.serverNoContextTakeover || server.serverNoContextTakeover)
          expect(agreement.serverNoContextTakeover).toBe(true);
        if (server.clientNoContextTakeover) expect(agreement.clientNoContextTakeover).toBe(true);
        for (const { serverMaxWindowBits, clientMaxWindowBits } of [client, server]) {
          if (typeof serverMaxWindowBits === 'number')
            expect(agreement.serverMaxWindowBits).toBeLessThanOrEqual(serverMaxWindowBits);
          if (typeof clientMaxWindowBits === 'number')
            expect(agreement.clientMaxWindowBits).toBeLessThanOrEqual(clientMaxWindowBits);
        }
      }),
      { numRuns: 2000 },
    );
    expect(Math.min(...Object.values(counts))).toBeGreaterThan(50);
  });

  it('give an agreement, decline or throw a NegotiationError for any parameters, never another error', () => {
    const lists = fc.array(anyParameters, { maxLength: 3 });
    fc.assert(
      fc.property(lists, anyOptions, (list, options) => {
        const terms = deflateTerms(options);
        const accepted = acceptDeflateOffer(list, terms);
        if (accepted !== null) {
          const { agreement, response } = accepted;
          expect(agreement.serverMaxWindowBits).toBeGreaterThanOrEqual(8);
          expect(agreement.clientMaxWindowBits).toBeGreaterThanOrEqual(8);
          expect(elements(header(response))).toEqual([response]);
        }
        try {
          expect(acceptDeflateResponse(list, terms) === null).toBe(list.length === 0);
        } catch (error) {
          expect(error).toBeInstanceOf(NegotiationError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
