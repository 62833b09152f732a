import { formatClosePayload, parseClosePayload } from '../../src/connection/close-payload.ts';
import { ProtocolError } from '../../src/frame/protocol-error.ts';
import { demand, type Target } from '../case.ts';
import { mutateOctets } from '../mutations/octets.ts';
import { mayBeSent, readUtf8 } from '../naive/messages.ts';

/** Returns the rule that a close frame with this payload breaks (§5.5.1, §7.4, §8.1). */
function faultOf(octets: Buffer): string | null {
  if (octets.length === 0) return null;
  if (octets.length === 1) return 'WS_ERR_INVALID_CONTROL_PAYLOAD_LENGTH';
  if (!mayBeSent(octets.readUInt16BE(0))) return 'WS_ERR_INVALID_CLOSE_CODE';
  return readUtf8(octets.subarray(2)) === 'whole' ? null : 'WS_ERR_INVALID_UTF8';
}

export const close: Target = {
  name: 'close',
  title: 'A close payload is a valid code and a reason in UTF-8, or gives the documented error; and formats to itself',

  seeds: () =>
    ['', '03e8', '03e86f6b', '0fa0e282ac', '0bb8f09d849e', `03e9${'61'.repeat(123)}`].map((hex) => ({
      octets: Buffer.from(hex, 'hex'),
      cut: [],
      config: 0,
    })),

  mutate: (random, { octets }, other) => ({
    octets: mutateOctets(random, octets, other.octets).subarray(0, 125),
    cut: [],
    config: random.below(8),
  }),

  run({ octets, config }) {
    // Placed inside a chunk.
    const chunk = Buffer.concat([Buffer.alloc(config), octets, Buffer.alloc(3, 0xff)]);
    const expected = faultOf(octets);
    let found: string | null = null;
    try {
      const { code, reason } = parseClosePayload(chunk, config, config + octets.length);
      const again = code === 1005 ? formatClosePayload() : formatClosePayload(code, reason);
      demand(again.equals(octets), 'a parsed close payload formats to the same octets', again);
      const text = code === 1005 ? again : formatClosePayload(code, reason.toString());
      demand(text.equals(octets), 'its reason may be given as text', text);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      found = error.code;
    }
    demand(found === expected, 'the first broken rule is reported', [found, expected]);
    return `${found} ${Math.min(octets.length, 3)}`;
  },
};
