// The wire protocol goods.v1, docs/goods-protocol.md, for both sides: what the frames are, how they are read and how they are written.
// Nothing in here needs Node.
import type { Kind } from '../definition/item.ts';
import type { Position } from '../definition/position.ts';
import type { GoodsErrorCode } from './goods-error.ts';

/** The subprotocol to ask for in the opening handshake (RFC 6455 §1.9). */
export const subprotocol = 'goods.v1';

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

/** Frames that a market sends of its own accord and that are not about the connection: all but welcome, replies and closing. */
export type PushFrame = Exclude<Frame, WelcomeFrame | OkFrame | ErrorFrame | ClosingFrame> | BytesFrame;
