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

/** Entries of a log that are kept of its beginning and of its end, each. */
const kept = 128;

/** Octets of a payload that a log shows. */
const shown = 64;

/** The beginning and the end of a long log. */
class BoundedLog<Entry> {
  readonly #head: Entry[] = [];
  readonly #tail: Entry[] = [];
  #count = 0;

  add(entry: Entry): void {
    if (this.#count < kept) this.#head.push(entry);
    else this.#tail[(this.#count - kept) % kept] = entry;
    this.#count++;
  }

  get omitted(): number {
    return Math.max(0, this.#count - 2 * kept);
  }

  /** The entries in order, with `remark` where some were left out. */
  list(remark: (omitted: number) => Entry): Entry[] {
    const { omitted } = this;
    if (omitted === 0) return [...this.#head, ...this.#tail];
    const split = (this.#count - kept) % kept;
    return [...this.#head, remark(omitted), ...this.#tail.slice(split), ...this.#tail.slice(0, split)];
  }
}

export function logOctets(octets: Buffer): LoggedOctets {
  const hex = octets.toString('hex', 0, shown);
  return [octets.length, octets.length > shown ? `${hex} ...` : hex];
}

const isPrintable = (text: string): boolean => !/[\p{Cc}\p{Cs}]/u.test(text.replace(/[\t\r\n]/g, ''));

/** The first octets of a payload as text, without the beginning of a code point at their end; null where they are none. */
function previewText(payload: Buffer): string | null {
  if (payload.length === 0) return null;
  let end = Math.min(shown, payload.length);
  if (end < payload.length) while (end > 0 && ((payload[end] as number) & 0xc0) === 0x80) end--;
  const octets = payload.subarray(0, end);
  if (!isUtf8(octets)) return null;
  const text = octets.toString('utf8');
  return isPrintable(text) ? text : null;
}

function logPayload(payload: Buffer): LoggedPayload {
  const text = previewText(payload) ?? payload.toString('hex', 0, shown);
  return [payload.length, payload.length > shown ? `${text} ...` : text];
}

type Counts = Record<string, number>;

const count = (counts: Counts, key: number): void => {
  counts[key] = (counts[key] ?? 0) + 1;
};

/** Writes down what goes over the wire of one connection, in Autobahn's form and in ours. Takes a bounded amount of memory. */
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

  /** `now` is a clock in milliseconds. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#begin = now();
  }

  /** Milliseconds since the recorder was made. */
  get elapsed(): number {
    return this.#now() - this.#begin;
  }

  get wireLog(): WireLogEntry[] {
    return this.#wireLog.list((omitted) => ['WLM', `${omitted} entries are left out here`]);
  }

  get trace(): TraceEntry[] {
    return this.#trace.list((omitted) => {
      return { kind: 'note', at: this.#at(), direction: null, text: `${omitted} entries are left out here` };
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

  /** Octets of the opening handshake. */
  preopen(direction: 'in' | 'out', head: string): void {
    const octets = Buffer.byteLength(head, 'latin1');
    if (direction === 'in') this.#traffic.preopenIncomingOctetsWireLevel += octets;
    else this.#traffic.preopenOutgoingOctetsWireLevel += octets;
    this.remark('http', direction, head);
  }

  /** Octets that came in one piece, before they are unmasked. */
  received(octets: Buffer): void {
    count(this.rxOctetStats, octets.length);
    this.#traffic.incomingOctetsWireLevel += octets.length;
    this.#wireLog.add(['RO', logOctets(octets)]);
  }

  /** Octets that are written in one piece. `sync`: so that they leave alone. */
  transmitted(octets: Buffer, sync: boolean): void {
    count(this.txOctetStats, octets.length);
    this.#traffic.outgoingOctetsWireLevel += octets.length;
    this.#wireLog.add(['TO', logOctets(octets), sync]);
  }

  frameReceived(frame: IncomingFrame): void {
    const { opcode, payload, fin, rsv, mask } = frame;
    count(this.rxFrameStats, opcode);
    this.#traffic.incomingWebSocketFrames++;
    this.#traffic.incomingOctetsWebSocketLevel += payload.length;
    this.#wireLog.add(['RF', logPayload(payload), opcode, fin, rsv, mask !== null, mask?.toString('hex') ?? null]);
    this.#traceFrame('in', frame);
  }

  frameTransmitted(frame: IncomingFrame, chopSize: number | null, sync: boolean): void {
    const { opcode, payload, fin, rsv, mask } = frame;
    count(this.txFrameStats, opcode);
    this.#traffic.outgoingWebSocketFrames++;
    this.#traffic.outgoingOctetsWebSocketLevel += payload.length;
    const key = mask?.toString('hex') ?? null;
    this.#wireLog.add(['TF', logPayload(payload), opcode, fin, rsv, key, null, chopSize, sync]);
    this.#traceFrame('out', frame);
  }

  /** A whole message, `octets` long as the application sees it. */
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
    this.#trace.add({ kind, at: this.#at(), direction, text });
    if (kind !== 'http') this.#wireLog.add(['WLM', text]);
  }

  /** An entry of Autobahn's log about time; `text` says the same in words. */
  time(kind: 'KL' | 'KLE' | 'TI' | 'TIE' | 'CT' | 'CTE', milliseconds: number, text: string): void {
    this.#wireLog.add([kind, milliseconds / 1000]);
    this.#trace.add({ kind: 'note', at: this.#at(), direction: null, text });
  }

  #traceFrame(direction: 'in' | 'out', frame: IncomingFrame): void {
    const { opcode, payload, fin, rsv, mask } = frame;
    const { code, reason } = opcode === opcodes.close ? readClose(payload) : { code: null, reason: null };
    this.#trace.add({
      kind: 'frame',
      at: this.#at(),
      direction,
      opcode,
      fin,
      rsv,
      length: payload.length,
      mask: mask?.toString('hex') ?? null,
      hex: payload.toString('hex', 0, shown),
      text: previewText(payload),
      closeCode: code,
      closeReason: reason,
    });
  }
}
