import type { DeflateTerms } from './echo-peer.ts';

type Parameters = ReadonlyMap<string, string>;

/** Returns the offers of permessage-deflate in a header field, in order; other extensions are skipped. */
function offersOf(field: string): Parameters[] {
  const items = field.split(',').map((item) => item.split(';').map((part) => part.trim()));
  return items
    .filter(([name]) => name === 'permessage-deflate')
    .map(
      ([, ...parts]) =>
        new Map(parts.map((part) => part.split('=', 2) as [string, string?]).map(([k, v]) => [k, v ?? ''])),
    );
}

/** Returns the terms and the response of a server; undefined if it accepts no offer. */
export function acceptOffer(field: string | undefined): { terms: DeflateTerms; response: string } | undefined {
  const [offer] = offersOf(field ?? '');
  if (offer === undefined) return undefined;
  const ownNoContext = offer.has('server_no_context_takeover');
  const otherNoContext = offer.has('client_no_context_takeover');
  const bits = offer.get('server_max_window_bits');
  const response = [
    'permessage-deflate',
    ...(ownNoContext ? ['server_no_context_takeover'] : []),
    ...(otherNoContext ? ['client_no_context_takeover'] : []),
    ...(bits === undefined ? [] : [`server_max_window_bits=${bits}`]),
  ].join('; ');
  return { terms: { ownNoContext, ownWindowBits: bits === undefined ? 15 : Number(bits), otherNoContext }, response };
}

/** Returns the terms of a client after the server's response; undefined if the server accepted no offer. */
export function readResponse(field: string | undefined): DeflateTerms | undefined {
  const [agreed] = offersOf(field ?? '');
  if (agreed === undefined) return undefined;
  return {
    ownNoContext: agreed.has('client_no_context_takeover'),
    ownWindowBits: Number(agreed.get('client_max_window_bits') ?? 15),
    otherNoContext: agreed.has('server_no_context_takeover'),
  };
}
