import { isUtf8 } from 'node:buffer';
import type {
  LoggedOctets,
  LoggedPayload,
  TracedRemark,
  TraceEntry,
  TrafficStats,
  WireLogEntry,
} from '../report/case-result.ts';
import { readClose } from '../wire/close-payload.ts';
import { type IncomingFrame, opcodes } from '../wire/frame.ts';

/** Number of entries kept from the beginning and from the end of a log, each. */
const kept = 128;

/** Maximum number of octets of a payload in a log. */
const shown = 64;

/** Maximum length of a close frame's payload in octets, including the invalid length that a case sends. */
const maxClosePayload = 126;

/** Creates an entry of a log. Most entries of a long log are never created. */
type Make<Entry> = () => Entry;

/** Beginning and end of a long log. */
class BoundedLog<Entry> {
  readonly #head: Make<Entry>[] = [];
  readonly #tail: Make<Entry>[] = [];
  #count = 0;

  add(make: Make<Entry>): void {
    if (this.#count < kept) this.#head.push(make);
    else this.#tail[(this.#count - kept) % kept] = make;
    this.#count++;
  }

  get omitted(): number {
    return Math.max(0, this.#count - 2 * kept);
  }

  /** Returns the entries in order, with `remark` in place of omitted ones. */
  list(remark: (omitted: number) => Entry): Entry[] {
    const { omitted } = this;
    const split = omitted === 0 ? 0 : (this.#count - kept) % kept;
    const gap = omitted === 0 ? [] : [() => remark(omitted)];
    const entries = [...this.#head, ...gap, ...this.#tail.slice(split), ...this.#tail.slice(0, split)];
    return entries.map((make) => make());
  }
}

/** Part of a payload that a log shows, copied. */
interface Preview {
  readonly length: number;
  /** One octet more than shown, which tells whether a code point is cut. */
  readonly octets: Buffer;
}

const previewOf = (payload: Buffer): Preview => ({
  length: payload.length,
  octets: Buffer.from(payload.subarray(0, shown + 1)),
});

function logOctets({ length, octets }: Preview): LoggedOctets {
  const hex = octets.toString('hex', 0, shown);
  return [length, length > shown ? `${hex} ...` : hex];
}

const isPrintable = (text: string): boolean => !/[\p{Cc}\p{Cs}]/u.test(text.replace(/[\t\r\n]/g, ''));

/**
 * Returns the first octets of a payload as text, without an incomplete code point at the end; null if they are not
 * printable text.
 */
function previewText({ length, octets }: Preview): string | null {
  if (length === 0) return null;
  let end = Math.min(shown, length);
  if (end < length) while (end > 0 && ((octets[end] as number) & 0xc0) === 0x80) end--;
  const whole = octets.subarray(0, end);
  if (!isUtf8(whole)) return null;
  const text = whole.toString('utf8');
  return isPrintable(text) ? text : null;
}

function logPayload(preview: Preview): LoggedPayload {
  const text = previewText(preview) ?? preview.octets.toString('hex', 0, shown);
  return [preview.length, preview.length > shown ? `${text} ...` : text];
}

type Counts = Record<string, number>;

const count = (counts: Counts, key: number): void => {
  counts[key] = (counts[key] ?? 0) + 1;
};

/** Records the traffic of one connection, in Autobahn's form and in ours. Uses a bounded amount of memory. */
export class Recorder {
  readonly #now: () => number;
  readonly #begin: number;
  readonly #wireLog = new BoundedLog<WireLogEntry>();
  readonly #trace = new BoundedLog<TraceEntry>();
  readonly rxOctetStats: Counts = {};
  readonly txOctetStats: Counts = {};
  readonly rxFrameStats: Counts = {};
  readonly txFrameStats: Counts = {};
  readonly #traffic = {
    incomingOctetsWireLevel: 0,
    incomingOctetsWebSocketLevel: 0,
    incomingOctetsAppLevel: 0,
    incomingWebSocketFrames: 0,
    incomingWebSocketMessages: 0,
    preopenIncomingOctetsWireLevel: 0,
    outgoingOctetsWireLevel: 0,
    outgoingOctetsWebSocketLevel: 0,
    outgoingOctetsAppLevel: 0,
    outgoingWebSocketFrames: 0,
    outgoingWebSocketMessages: 0,
    preopenOutgoingOctetsWireLevel: 0,
  };

  /** @param now Clock in milliseconds. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#begin = now();
  }

  /** Milliseconds since the recorder was created. */
  get elapsed(): number {
    return this.#now() - this.#begin;
  }

  get wireLog(): WireLogEntry[] {
    return this.#wireLog.list((omitted) => ['WLM', `${omitted} entries omitted`]);
  }

  get trace(): TraceEntry[] {
    return this.#trace.list((omitted) => {
      return { kind: 'note', at: this.#at(), direction: null, text: `${omitted} entries omitted` };
    });
  }

  get traceOmitted(): number {
    return this.#trace.omitted;
  }

  get trafficStats(): TrafficStats {
    const traffic = this.#traffic;
    const ratio = (wire: number, application: number) => (application === 0 ? null : wire / application);
    return {
      ...traffic,
      incomingCompressionRatio: ratio(traffic.incomingOctetsWebSocketLevel, traffic.incomingOctetsAppLevel),
      outgoingCompressionRatio: ratio(traffic.outgoingOctetsWebSocketLevel, traffic.outgoingOctetsAppLevel),
    };
  }

  #at(): number {
    return Math.round(this.elapsed * 1000) / 1000;
  }

  /** Records the head of an opening handshake. */
  preopen(direction: 'in' | 'out', head: string): void {
    const octets = Buffer.byteLength(head, 'latin1');
    if (direction === 'in') this.#traffic.preopenIncomingOctetsWireLevel += octets;
    else this.#traffic.preopenOutgoingOctetsWireLevel += octets;
    this.remark('http', direction, head);
  }

  /** Records received data, before it is unmasked. */
  received(octets: Buffer): void {
    count(this.rxOctetStats, octets.length);
    this.#traffic.incomingOctetsWireLevel += octets.length;
    const preview = previewOf(octets);
    this.#wireLog.add(() => ['RO', logOctets(preview)]);
  }

  /** Records written data. `sync` is true if the data leaves in a packet of its own. */
  transmitted(octets: Buffer, sync: boolean): void {
    count(this.txOctetStats, octets.length);
    this.#traffic.outgoingOctetsWireLevel += octets.length;
    const preview = previewOf(octets);
    this.#wireLog.add(() => ['TO', logOctets(preview), sync]);
  }

  frameReceived(frame: IncomingFrame): void {
    const { opcode, payload, fin, rsv, mask } = frame;
    count(this.rxFrameStats, opcode);
    this.#traffic.incomingWebSocketFrames++;
    this.#traffic.incomingOctetsWebSocketLevel += payload.length;
    const preview = previewOf(payload);
    this.#wireLog.add(() => {
      return ['RF', logPayload(preview), opcode, fin, rsv, mask !== null, mask?.toString('hex') ?? null];
    });
    this.#traceFrame('in', frame, preview);
  }

  frameTransmitted(frame: IncomingFrame, chopSize: number | null, sync: boolean): void {
    const { opcode, payload, fin, rsv, mask } = frame;
    count(this.txFrameStats, opcode);
    this.#traffic.outgoingWebSocketFrames++;
    this.#traffic.outgoingOctetsWebSocketLevel += payload.length;
    const preview = previewOf(payload);
    this.#wireLog.add(() => {
      return ['TF', logPayload(preview), opcode, fin, rsv, mask?.toString('hex') ?? null, null, chopSize, sync];
    });
    this.#traceFrame('out', frame, preview);
  }

  /** Records a whole message with `octets` octets at the application. */
  message(direction: 'in' | 'out', octets: number): void {
    if (direction === 'in') {
      this.#traffic.incomingWebSocketMessages++;
      this.#traffic.incomingOctetsAppLevel += octets;
    } else {
      this.#traffic.outgoingWebSocketMessages++;
      this.#traffic.outgoingOctetsAppLevel += octets;
    }
  }

  remark(kind: TracedRemark['kind'], direction: 'in' | 'out' | null, text: string): void {
    const at = this.#at();
    this.#trace.add(() => ({ kind, at, direction, text }));
    if (kind !== 'http') this.#wireLog.add(() => ['WLM', text]);
  }

  /** Records an entry of Autobahn's log about time; `text` describes the entry in words. */
  time(kind: 'KL' | 'KLE' | 'TI' | 'TIE' | 'CT' | 'CTE', milliseconds: number, text: string): void {
    const at = this.#at();
    this.#wireLog.add(() => [kind, milliseconds / 1000]);
    this.#trace.add(() => ({ kind: 'note', at, direction: null, text }));
  }

  #traceFrame(direction: 'in' | 'out', frame: IncomingFrame, preview: Preview): void {
    const { opcode, payload, fin, rsv, mask } = frame;
    const { length } = payload;
    const isClose = opcode === opcodes.close;
    const { code, reason } = isClose ? readClose(payload.subarray(0, maxClosePayload)) : { code: null, reason: null };
    const at = this.#at();
    this.#trace.add(() => ({
      kind: 'frame',
      at,
      direction,
      opcode,
      fin,
      rsv,
      length,
      mask: mask?.toString('hex') ?? null,
      hex: preview.octets.toString('hex', 0, shown),
      text: previewText(preview),
      closeCode: code,
      closeReason: reason,
    }));
  }
}
