import type { EndpointDeflate } from '../../extension/endpoint-deflate.ts';
import { PreparedMessage } from '../../message/prepared-message.ts';
import { type Coding, type EncodedMessage, plainCoding } from '../fan-out/encoded-message.ts';

const codings = new WeakMap<EndpointDeflate, Coding>();

/**
 * Returns the coding of a connection. Connections that have agreed on permessage-deflate alike, without context takeover, share one
 * (RFC 7692 §7.1.1).
 */
export function codingFor(deflate: EndpointDeflate | null): Coding {
  // A connection with context takeover would have to compress each message for itself. It gets uncompressed messages, which §6 allows.
  if (deflate === null || deflate.takesContextOver) return plainCoding;
  let coding = codings.get(deflate);
  if (coding === undefined) {
    coding = deflating(deflate);
    codings.set(deflate, coding);
  }
  return coding;
}

function deflating(deflate: EndpointDeflate): Coding {
  const coding: Coding = {
    frame: (message: EncodedMessage) =>
      message.mayCompress && deflate.isWorthIt(message.payload.length)
        ? message.in(coding, () => new PreparedMessage(message.payload, { binary: message.isBinary }).frame(deflate))
        : message.plain,
  };
  return coding;
}
