/** What of the application's has failed: one of the functions of goods, of the market, of a provider, or its backplane. */
export type FailurePlace =
  | 'tailor'
  | 'variant'
  | 'authorize'
  | 'onDemand'
  | 'onIdle'
  | 'identify'
  | 'backplane'
  | 'market';

/** Published on `goodwire:goods:failure`: what the application gave to a market failed. Nobody else has suffered from it. */
export interface GoodsFailureMessage {
  readonly place: FailurePlace;
  /** The name of the goods, if it was about some. */
  readonly goods: string | undefined;
  readonly variant: string | undefined;
  readonly error: unknown;
}

/** Published on `goodwire:goods:subscription`: one was begun or ended. */
export interface GoodsSubscriptionMessage {
  readonly event: 'subscribed' | 'unsubscribed' | 'revoked';
  /** The name or pattern that was subscribed to. */
  readonly goods: string;
  /** The number of the subscriber. */
  readonly subscriber: number;
}

/** Published on `goodwire:goods:overflow`: a subscriber reads too slowly, and has missed items or was disconnected. */
export interface GoodsOverflowMessage {
  readonly event: 'conflated' | 'dropped' | 'disconnected';
  readonly goods: string;
  readonly subscriber: number;
  /** How many items; 0 when it was disconnected. */
  readonly items: number;
}

/** Published on `goodwire:goods:refusal`: a request was refused, or a connection closed for what it sent. */
export interface GoodsRefusalMessage {
  readonly error: Error;
  readonly subscriber: number;
}

/** Whom a market tells what happens in it. What its methods throw is not caught. */
export interface Observer {
  failure(message: GoodsFailureMessage): void;
  subscription(message: GoodsSubscriptionMessage): void;
  overflow(message: GoodsOverflowMessage): void;
  refusal(message: GoodsRefusalMessage): void;
}
