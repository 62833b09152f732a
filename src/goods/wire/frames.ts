// The frames of goods.v1 (docs/goods-protocol.md), for both sides.
import type { Kind } from '../definition/item.ts';
import type { Position } from '../definition/position.ts';
import type { GoodsErrorCode } from './goods-error.ts';

/** Subprotocol to request in the opening handshake (RFC 6455 §1.9). */
export const subprotocol = 'goods.v1';

/** Position up to which a client has the items of some goods, for a subscribe that resumes. */
export interface Since extends Position {
  readonly goods: string;
}

/** A stream: goods in one variant. Item frames are addressed to it. */
export interface Stream extends Position {
  readonly goods: string;
  /** Absent if the goods have one variant only. */
  readonly variant?: string;
  readonly kind: Kind;
  /** In the reply to a subscribe that resumes: true if every item since the given position follows. */
  readonly recovered?: boolean;
}

/** Asks for the items of goods, or of all goods that match a pattern. */
export interface SubscribeRequest {
  readonly op: 'subscribe';
  readonly id: number;
  readonly goods: string;
  readonly params?: unknown;
  /** Number of the latest items to send at once, as far as the history has them. Default 1. */
  readonly last?: number;
  readonly since?: readonly Since[];
}

/** Ends the subscription with the same goods and params. */
export interface UnsubscribeRequest {
  readonly op: 'unsubscribe';
  readonly id: number;
  readonly goods: string;
  readonly params?: unknown;
}

/** Asks for the subscriptions of the connection. */
export interface SubscriptionsRequest {
  readonly op: 'subscriptions';
  readonly id: number;
  /** Entry behind which to begin: `next` of the page before. */
  readonly after?: string;
  /** 1 to 1000. Default 100. */
  readonly limit?: number;
}

/** Asks for the goods on the shelf. */
export interface CatalogRequest {
  readonly op: 'catalog';
  readonly id: number;
  /** Default: all goods. */
  readonly pattern?: string;
  readonly after?: string;
  readonly limit?: number;
}

/** Supplies items of kind json or text. Bytes are supplied with {@link BytesSupplyRequest}. */
export interface SupplyRequest {
  readonly op: 'supply';
  readonly id: number;
  readonly goods: string;
  /** At least one item. */
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

/** Asks for a reply, to find out whether the connection is alive. */
export interface PingRequest {
  readonly op: 'ping';
  readonly id: number;
}

/** A request of a client in a text message. */
export type Request =
  | SubscribeRequest
  | UnsubscribeRequest
  | SubscriptionsRequest
  | CatalogRequest
  | SupplyRequest
  | ShelveRequest
  | UnshelveRequest
  | PingRequest;

/** A request of which only `op` and `id` have been checked. */
export type RawRequest = Readonly<Record<string, unknown>> & { readonly op: string; readonly id: number };

/** Limits of a connection. */
export interface WireLimits {
  /** Maximum number of subscriptions at a time, and of goods that the client has on the shelf. */
  readonly subscriptions: number;
  /** Maximum length of a name or pattern in bytes of UTF-8. */
  readonly nameLength: number;
  /** Maximum length of params in characters of JSON. */
  readonly paramsSize: number;
  /** Maximum size of a message of the client in bytes. */
  readonly messageSize: number;
  /** Maximum number of requests a second, in the long run. */
  readonly requestsPerSecond: number;
  /** Maximum number of requests at once, and of requests without a reply. */
  readonly requestBurst: number;
  /** Maximum number of items that the client supplies a second, in the long run and at once. */
  readonly itemsPerSecond: number;
}

/** The first frame of a market. */
export interface WelcomeFrame {
  readonly op: 'welcome';
  readonly protocol: typeof subprotocol;
  /** Milliseconds between two pings of the market. It ends a connection from which nothing came during two of them. 0: never. */
  readonly heartbeat: number;
  readonly limits: WireLimits;
}

/** An entry of the list of subscriptions. */
export interface SubscriptionEntry {
  readonly goods: string;
  readonly params?: unknown;
  readonly streams: readonly Stream[];
}

/** An entry of the catalog. */
export interface CatalogEntry {
  /** A name, or a pattern whose goods are created on demand. */
  readonly goods: string;
  readonly kind: Kind;
}

/** Reply to a request that was done. The fields depend on the request. */
export interface OkFrame {
  readonly op: 'ok';
  readonly id: number;
  /** For subscribe: the streams that the subscription leads to. */
  readonly streams?: readonly Stream[];
  /** For unsubscribe: true if there was a subscription to end. */
  readonly removed?: boolean;
  /** For supply: the offset of the last item. */
  readonly offset?: number;
  /** For subscriptions. */
  readonly subscriptions?: readonly SubscriptionEntry[];
  /** For catalog. */
  readonly catalog?: readonly CatalogEntry[];
  /** For a page that is not the last: `after` of the request for the next page. */
  readonly next?: string;
}

/** Reply to a request that was refused. */
export interface ErrorFrame {
  readonly op: 'error';
  readonly id: number;
  readonly code: GoodsErrorCode;
  readonly message: string;
  readonly retryAfter?: number;
}

/** An item of kind json or text. */
export interface ItemFrame {
  readonly op: 'item';
  readonly goods: string;
  readonly variant?: string;
  readonly offset: number;
  readonly item: unknown;
}

/** Items that were supplied together. Their offsets are consecutive. */
export interface ItemsFrame {
  readonly op: 'items';
  readonly goods: string;
  readonly variant?: string;
  /** Offset of the first item. */
  readonly offset: number;
  readonly items: readonly unknown[];
}

/** An item of kind bytes, from a binary message. */
export interface BytesFrame {
  readonly op: 'bytes';
  readonly goods: string;
  readonly variant?: string;
  readonly offset: number;
  readonly item: Uint8Array;
}

/** An item of kind bytes that a client supplies, from a binary message. */
export interface BytesSupplyRequest {
  readonly op: 'supply-bytes';
  readonly id: number;
  readonly goods: string;
  readonly item: Uint8Array;
}

/** Reason for which offsets have no items. */
export type SkipReason = 'filtered' | 'failed' | 'conflated' | 'dropped';

/** Offsets whose items this stream does not get. The market has left them out; they were not lost in transmission. */
export interface SkipFrame {
  readonly op: 'skip';
  readonly goods: string;
  readonly variant?: string;
  readonly from: number;
  /** The last of the offsets. */
  readonly to: number;
  readonly reason: SkipReason;
}

/** Goods that a subscription matches were put on the shelf. */
export interface ShelvedFrame {
  readonly op: 'shelved';
  /** Goods and params of the subscription. */
  readonly goods: string;
  readonly params?: unknown;
  readonly stream: Stream;
}

/** Goods were taken off the shelf. Subscriptions stay, in case that the goods come back. */
export interface UnshelvedFrame {
  readonly op: 'unshelved';
  readonly goods: string;
  readonly reason: string;
}

/** The market has ended a subscription, or one stream of it. */
export interface RevokedFrame {
  readonly op: 'revoked';
  readonly goods: string;
  readonly params?: unknown;
  /** Goods that the subscription has lost, while it goes on; absent if the whole subscription has ended. */
  readonly stream?: string;
  readonly reason: string;
}

/** To a client that has shelved goods: the first subscriber has come. */
export interface DemandFrame {
  readonly op: 'demand';
  readonly goods: string;
}

/** To a client that has shelved goods: the last subscriber has left. */
export interface IdleFrame {
  readonly op: 'idle';
  readonly goods: string;
}

/** The market is about to close the connection. */
export interface ClosingFrame {
  readonly op: 'closing';
  readonly reason: string;
  /** Milliseconds before the client may reconnect. */
  readonly retryAfter: number;
}

/** A frame of a market in a text message. */
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

/** Frames that a market sends of its own accord and that are not about the connection: all but welcome, replies and closing. */
export type PushFrame = Exclude<Frame, WelcomeFrame | OkFrame | ErrorFrame | ClosingFrame> | BytesFrame;
