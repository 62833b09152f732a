// The wire protocol goods.v1, docs/goods-protocol.md, for both sides: what the frames are, how they are read and how they are written.
// Nothing in here needs Node.
import { type GoodsErrorCode, WireError } from './goods-error.ts';

/** The subprotocol to ask for in the opening handshake (RFC 6455 §1.9). */
export const subprotocol = 'goods.v1';

/** What the items of goods are: JSON values, text, or octets. */
export type Kind = 'json' | 'text' | 'bytes';

/** Where in the items of goods a reader stands: offsets count from 1 within an epoch; 0 is before the first item. */
export interface Position {
  readonly epoch: string;
  readonly offset: number;
}

/** Until where a client has the items of some goods, for a subscribe that resumes. */
export interface Since extends Position {
  readonly goods: string;
}

/** One goods in one variant: what an item frame is addressed to. */
export interface Stream extends Position {
  readonly goods: string;
  /** Left out for the only one. */
  readonly variant?: string;
  readonly kind: Kind;
  /** Only of a subscribe that resumes: whether everything since then follows. */
  readonly recovered?: boolean;
}

/** Asks for the items of goods, or of all goods that match a pattern. */
export interface SubscribeRequest {
  readonly op: 'subscribe';
  readonly id: number;
  readonly goods: string;
  readonly params?: unknown;
  /** How many of the latest items to send at once, if they are still there. Default 1. */
  readonly last?: number;
  readonly since?: readonly Since[];
}

/** Ends what a subscribe with the same goods and params began. */
export interface UnsubscribeRequest {
  readonly op: 'unsubscribe';
  readonly id: number;
  readonly goods: string;
  readonly params?: unknown;
}

/** Asks what the connection is subscribed to. */
export interface SubscriptionsRequest {
  readonly op: 'subscriptions';
  readonly id: number;
  /** Behind which entry to begin: `next` of the page before. */
  readonly after?: string;
  /** 1 to 1000. Default 100. */
  readonly limit?: number;
}

/** Asks what is on the shelf. */
export interface CatalogRequest {
  readonly op: 'catalog';
  readonly id: number;
  /** Default: all. */
  readonly pattern?: string;
  readonly after?: string;
  readonly limit?: number;
}

/** Supplies items of goods that are no octets; for octets see {@link encodeBytesSupply}. */
export interface SupplyRequest {
  readonly op: 'supply';
  readonly id: number;
  readonly goods: string;
  /** At least one. */
  readonly items: readonly unknown[];
}

/** Puts goods on the shelf for as long as the connection lasts. */
export interface ShelveRequest {
  readonly op: 'shelve';
  readonly id: number;
  readonly goods: string;
}

/** Takes goods off the shelf that the connection has put there. */
export interface UnshelveRequest {
  readonly op: 'unshelve';
  readonly id: number;
  readonly goods: string;
  readonly reason?: string;
}

/** Asks for a reply, to see that the connection lives. */
export interface PingRequest {
  readonly op: 'ping';
  readonly id: number;
}

/** What a client sends. */
export type Request =
  | SubscribeRequest
  | UnsubscribeRequest
  | SubscriptionsRequest
  | CatalogRequest
  | SupplyRequest
  | ShelveRequest
  | UnshelveRequest
  | PingRequest;

/** A request whose fields have not been looked at, but for its op and id. */
export type RawRequest = Readonly<Record<string, unknown>> & { readonly op: string; readonly id: number };

/** What the market allows a connection. */
export interface WireLimits {
  /** Subscriptions at a time. */
  readonly subscriptions: number;
  /** Octets of UTF-8 of a name or pattern. */
  readonly nameLength: number;
  /** Characters of params as JSON. */
  readonly paramsSize: number;
  /** Octets of one message of the client. */
  readonly messageSize: number;
  /** Requests a second, in the long run. */
  readonly requestsPerSecond: number;
  /** Requests at once. */
  readonly requestBurst: number;
  /** Items a second that are supplied, in the long run and at once. */
  readonly itemsPerSecond: number;
}

/** The first frame of a market. */
export interface WelcomeFrame {
  readonly op: 'welcome';
  readonly protocol: typeof subprotocol;
  /** Milliseconds between two pings of the market; it ends a connection from which nothing came in two of them. 0: never. */
  readonly heartbeat: number;
  readonly limits: WireLimits;
}

/** A line of the list of subscriptions. */
export interface SubscriptionEntry {
  readonly goods: string;
  readonly params?: unknown;
  readonly streams: readonly Stream[];
}

/** A line of the catalog. */
export interface CatalogEntry {
  /** A name, or a pattern whose goods are made when they are asked for. */
  readonly goods: string;
  readonly kind: Kind;
}

/** A request was done. Which fields there are depends on the request. */
export interface OkFrame {
  readonly op: 'ok';
  readonly id: number;
  /** Of subscribe. */
  readonly streams?: readonly Stream[];
  /** Of unsubscribe: whether there was anything to end. */
  readonly removed?: boolean;
  /** Of supply: the offset of the last item. */
  readonly offset?: number;
  /** Of subscriptions. */
  readonly subscriptions?: readonly SubscriptionEntry[];
  /** Of catalog. */
  readonly catalog?: readonly CatalogEntry[];
  /** Of a page that is not the last. */
  readonly next?: string;
}

/** A request was refused. */
export interface ErrorFrame {
  readonly op: 'error';
  readonly id: number;
  readonly code: GoodsErrorCode;
  readonly message: string;
  readonly retryAfter?: number;
}

/** An item of goods that are no octets. */
export interface ItemFrame {
  readonly op: 'item';
  readonly goods: string;
  readonly variant?: string;
  readonly offset: number;
  readonly item: unknown;
}

/** Items that were supplied together; their offsets follow one another. */
export interface ItemsFrame {
  readonly op: 'items';
  readonly goods: string;
  readonly variant?: string;
  /** Of the first. */
  readonly offset: number;
  readonly items: readonly unknown[];
}

/** An item of goods made of octets: a binary message. */
export interface BytesFrame {
  readonly op: 'bytes';
  readonly goods: string;
  readonly variant?: string;
  readonly offset: number;
  readonly item: Uint8Array;
}

/** Octets that a client supplies: a binary message. */
export interface BytesSupplyRequest {
  readonly op: 'supply-bytes';
  readonly id: number;
  readonly goods: string;
  readonly item: Uint8Array;
}

/** Why offsets have no items. */
export type SkipReason = 'filtered' | 'failed' | 'conflated' | 'dropped';

/** Offsets whose items this stream does not get: no gap. */
export interface SkipFrame {
  readonly op: 'skip';
  readonly goods: string;
  readonly variant?: string;
  readonly from: number;
  /** The last of them. */
  readonly to: number;
  readonly reason: SkipReason;
}

/** Goods that a subscription is about are on the shelf now. */
export interface ShelvedFrame {
  readonly op: 'shelved';
  /** Goods and params as subscribed to. */
  readonly goods: string;
  readonly params?: unknown;
  readonly stream: Stream;
}

/** Goods were taken off the shelf. Subscriptions stay, for the case that they come back. */
export interface UnshelvedFrame {
  readonly op: 'unshelved';
  readonly goods: string;
  readonly reason: string;
}

/** A subscription, or one stream of it, was ended by the market. */
export interface RevokedFrame {
  readonly op: 'revoked';
  readonly goods: string;
  readonly params?: unknown;
  /** The goods that are gone from a subscription that goes on; left out when all of it ended. */
  readonly stream?: string;
  readonly reason: string;
}

/** To a provider: the first subscriber has come. */
export interface DemandFrame {
  readonly op: 'demand';
  readonly goods: string;
}

/** To a provider: the last subscriber has left. */
export interface IdleFrame {
  readonly op: 'idle';
  readonly goods: string;
}

/** The market is about to close the connection. */
export interface ClosingFrame {
  readonly op: 'closing';
  readonly reason: string;
  /** Milliseconds after which to come back. */
  readonly retryAfter: number;
}

/** What a market sends in text messages. */
export type Frame =
  | WelcomeFrame
  | OkFrame
  | ErrorFrame
  | ItemFrame
  | ItemsFrame
  | SkipFrame
  | ShelvedFrame
  | UnshelvedFrame
  | RevokedFrame
  | DemandFrame
  | IdleFrame
  | ClosingFrame;

function parseObject(text: string): Readonly<Record<string, unknown>> & { readonly op: string } {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new WireError(1007, 'a text message of goods.v1 is JSON', { cause });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new WireError(1007, 'a text message of goods.v1 is a JSON object');
  }
  const object = value as Readonly<Record<string, unknown>> & { readonly op?: unknown };
  if (typeof object.op !== 'string') throw new WireError(1007, 'a frame of goods.v1 has an op, which is a string');
  return object as typeof object & { readonly op: string };
}

/** Whether a value is an offset: an integer from 0 to 2^53-1. */
export function isOffset(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/**
 * Reads a text message of a client as far as it must be right for a reply: a JSON object with an op and an id.
 * @throws WireError if it is not.
 */
export function parseRequest(text: string): RawRequest {
  const object = parseObject(text);
  const { id } = object;
  if (!isOffset(id) || id === 0) throw new WireError(1007, 'a request has an id, which is an integer from 1 to 2^53-1');
  return object as RawRequest;
}

/** A request as a text message. @throws TypeError if JSON cannot hold it. */
export function formatRequest(request: Request): string {
  return JSON.stringify(request);
}

/** A frame of a market as a text message. @throws TypeError if JSON cannot hold it. */
export function formatFrame(frame: Frame): string {
  return JSON.stringify(frame);
}

type Check = (value: unknown) => boolean;
const isString: Check = (value) => typeof value === 'string';
const isArray: Check = (value) => Array.isArray(value);
const isAnything: Check = () => true;
const isObject: Check = (value) => typeof value === 'object' && value !== null;
const optional =
  (check: Check): Check =>
  (value) =>
    value === undefined || check(value);
const isStream: Check = (value) => {
  const stream = value as Partial<Record<keyof Stream, unknown>> | null;
  return (
    isObject(stream) &&
    isString(stream!.goods) &&
    optional(isString)(stream!.variant) &&
    isString(stream!.kind) &&
    isString(stream!.epoch) &&
    isOffset(stream!.offset)
  );
};
const isStreams: Check = (value) => Array.isArray(value) && value.every(isStream);
const isSubscriptions: Check = (value) =>
  Array.isArray(value) && value.every((entry) => isObject(entry) && isString(entry.goods) && isStreams(entry.streams));
const isCatalog: Check = (value) =>
  Array.isArray(value) && value.every((entry) => isObject(entry) && isString(entry.goods) && isString(entry.kind));
const address = { goods: isString, variant: optional(isString) };

/** The fields of each frame of a market. Others may stand beside them, and are left for later versions. */
const frameFields: ReadonlyMap<string, Readonly<Record<string, Check>>> = new Map(
  Object.entries({
    welcome: { protocol: isString, heartbeat: isOffset, limits: isObject },
    ok: {
      id: isOffset,
      streams: optional(isStreams),
      removed: optional((value) => typeof value === 'boolean'),
      offset: optional(isOffset),
      subscriptions: optional(isSubscriptions),
      catalog: optional(isCatalog),
      next: optional(isString),
    },
    error: { id: isOffset, code: isString, message: isString, retryAfter: optional(isOffset) },
    item: { ...address, offset: isOffset, item: isAnything },
    items: { ...address, offset: isOffset, items: isArray },
    skip: { ...address, from: isOffset, to: isOffset, reason: isString },
    shelved: { goods: isString, stream: isStream },
    unshelved: { goods: isString, reason: isString },
    revoked: { goods: isString, stream: optional(isString), reason: isString },
    demand: { goods: isString },
    idle: { goods: isString },
    closing: { reason: isString, retryAfter: isOffset },
  }),
);

/**
 * Reads a text message of a market.
 * @returns null for an op that this version does not know: to be ignored.
 * @throws WireError if it is no frame, or lacks a field.
 */
export function parseFrame(text: string): Frame | null {
  const object = parseObject(text);
  const fields = frameFields.get(object.op);
  if (fields === undefined) return null;
  for (const [name, check] of Object.entries(fields)) {
    if (!check(object[name])) throw new WireError(1007, `the frame ${object.op} has no valid field ${name}`);
  }
  return object as unknown as Frame;
}

// Binary messages: one octet that says which, fields of fixed length, texts with their lengths before them, and the payload.
//   1  item:    1, offset (8), length of the name (2), length of the variant (2), name, variant, payload
//   2  supply:  2, id (8),     length of the name (2), name, payload

const itemOctet = 1;
const supplyOctet = 2;
const itemHead = 13;
const supplyHead = 11;
const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function encodeText(text: string): Uint8Array {
  const octets = encoder.encode(text);
  if (octets.length > 0xffff) throw new RangeError(`A text in a header has at most 65535 octets; got ${octets.length}`);
  return octets;
}

function encodeBinary(octet: number, counter: number, texts: readonly string[], payload: Uint8Array): Uint8Array {
  const encoded = texts.map(encodeText);
  const head = 9 + 2 * encoded.length;
  const message = new Uint8Array(encoded.reduce((sum, { length }) => sum + length, head + payload.length));
  const view = new DataView(message.buffer);
  message[0] = octet;
  view.setBigUint64(1, BigInt(counter));
  let at = head;
  encoded.forEach((text, i) => {
    view.setUint16(9 + 2 * i, text.length);
    message.set(text, at);
    at += text.length;
  });
  message.set(payload, at);
  return message;
}

function decodeBinary(message: Uint8Array, octet: number, head: number) {
  if (message[0] !== octet || message.length < head) throw new WireError(1003, 'no binary message of goods.v1');
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  const counter = view.getBigUint64(1);
  if (counter > Number.MAX_SAFE_INTEGER) throw new WireError(1003, 'a number in a binary message is above 2^53-1');
  const texts: string[] = [];
  let at = head;
  for (let field = 9; field < head; field += 2) {
    const end = at + view.getUint16(field);
    if (end > message.length) throw new WireError(1003, 'a binary message ends inside a text of its header');
    try {
      texts.push(decoder.decode(message.subarray(at, end)));
    } catch (cause) {
      throw new WireError(1003, 'a text in a binary message is not UTF-8', { cause });
    }
    at = end;
  }
  return { counter: Number(counter), texts, payload: message.subarray(at) };
}

/** An item of goods made of octets as a binary message; `payload` is copied. @throws RangeError for texts of more than 65 535 octets. */
export function encodeBytesItem(goods: string, variant: string, offset: number, payload: Uint8Array): Uint8Array {
  return encodeBinary(itemOctet, offset, [goods, variant], payload);
}

/** Reads a binary message of a market; `item` is a view of it. @throws WireError if it is none. */
export function decodeBytesItem(message: Uint8Array): BytesFrame {
  const { counter, texts, payload } = decodeBinary(message, itemOctet, itemHead);
  const [goods, variant] = texts as [string, string];
  return { op: 'bytes', goods, ...(variant === '' ? {} : { variant }), offset: counter, item: payload };
}

/** A supply of octets as a binary message; `payload` is copied. @throws RangeError for a name of more than 65 535 octets. */
export function encodeBytesSupply(id: number, goods: string, payload: Uint8Array): Uint8Array {
  return encodeBinary(supplyOctet, id, [goods], payload);
}

/** Reads a binary message of a client; `item` is a view of it. @throws WireError if it is none. */
export function decodeBytesSupply(message: Uint8Array): BytesSupplyRequest {
  const { counter, texts, payload } = decodeBinary(message, supplyOctet, supplyHead);
  if (counter === 0) throw new WireError(1007, 'a request has an id, which is an integer from 1 to 2^53-1');
  return { op: 'supply-bytes', id: counter, goods: texts[0]!, item: payload };
}
