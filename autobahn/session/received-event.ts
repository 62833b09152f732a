import type { ReportedEvent } from '../report/case-result.ts';

/** Data that a peer sent, an expired wait, or a number of messages that came back unchanged. */
export type ReceivedEvent =
  | { readonly type: 'message'; readonly payload: Buffer; readonly isBinary: boolean }
  | { readonly type: 'ping' | 'pong'; readonly payload: Buffer }
  | { readonly type: 'timeout'; readonly name: string }
  | { readonly type: 'roundtrips'; readonly count: number };

export const message = (payload: Buffer, isBinary: boolean): ReceivedEvent => ({ type: 'message', payload, isBinary });
export const pong = (payload: Buffer): ReceivedEvent => ({ type: 'pong', payload });
export const timeout = (name: string): ReceivedEvent => ({ type: 'timeout', name });

export function isSame(a: ReceivedEvent, b: ReceivedEvent): boolean {
  if (a.type === 'message') return b.type === 'message' && a.isBinary === b.isBinary && a.payload.equals(b.payload);
  if (a.type === 'timeout') return b.type === 'timeout' && a.name === b.name;
  if (a.type === 'roundtrips') return b.type === 'roundtrips' && a.count === b.count;
  return a.type === b.type && a.payload.equals((b as typeof a).payload);
}

/** True if `events` is a prefix of `list`. */
export const isPrefix = (events: readonly ReceivedEvent[], list: readonly ReceivedEvent[]): boolean =>
  events.length <= list.length && events.every((event, index) => isSame(event, list[index] as ReceivedEvent));

/** Maximum length of a payload in a report, in characters. */
const shown = 1024;

function show(payload: Buffer, encoding: 'utf8' | 'hex'): string {
  // Not the whole payload, because a character has at most four octets, and 16 MiB need not become a string.
  const text = payload.toString(encoding, 0, shown * 4).slice(0, shown);
  const isWhole = encoding === 'hex' ? payload.length * 2 <= shown : payload.length <= Buffer.byteLength(text);
  return isWhole ? text : `${text} … (${payload.length} octets)`;
}

/** Converts the event to its form in reports. */
export function reportEvent(event: ReceivedEvent): ReportedEvent {
  switch (event.type) {
    case 'message':
      return ['message', show(event.payload, event.isBinary ? 'hex' : 'utf8'), event.isBinary];
    case 'timeout':
      return ['timeout', event.name];
    case 'roundtrips':
      return ['roundtrips', event.count];
    default:
      return [event.type, show(event.payload, 'utf8')];
  }
}

function describePayload(payload: Buffer): string {
  if (payload.length === 0) return 'an empty payload';
  if (payload.length > 64) return `${payload.length} octets`;
  return `payload ${payload.toString('hex')}`;
}

/** Describes the event in words. */
export function describeEvent(event: ReceivedEvent): string {
  switch (event.type) {
    case 'message':
      return `a ${event.isBinary ? 'binary' : 'text'} message with ${describePayload(event.payload)}`;
    case 'timeout':
      return `nothing until the end of wait ${event.name}`;
    case 'roundtrips':
      return `${event.count} messages, all unchanged`;
    default:
      return `a ${event.type} with ${describePayload(event.payload)}`;
  }
}
