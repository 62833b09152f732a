/** Place of a failure: a function of the application, the backplane, or the market itself. */
export type FailurePlace =
  | 'tailor'
  | 'variant'
  | 'authorize'
  | 'onDemand'
  | 'onIdle'
  | 'identify'
  | 'backplane'
  | 'market';

/** Published on `goodwire:goods:failure` when a function of the application, the backplane or the market has failed. */
export interface GoodsFailureMessage {
  readonly place: FailurePlace;
  /** Name of the goods; undefined if the failure concerns none. */
  readonly goods: string | undefined;
  readonly variant: string | undefined;
  readonly error: unknown;
}

/** Published on `goodwire:goods:subscription` when a subscription has begun or ended. */
export interface GoodsSubscriptionMessage {
  readonly event: 'subscribed' | 'unsubscribed' | 'revoked';
  /** Name or pattern that was subscribed to. */
  readonly goods: string;
  /** `id` of the subscriber. */
  readonly subscriber: number;
}

/** Published on `goodwire:goods:overflow` when a subscriber reads too slowly, and has missed items or was disconnected. */
export interface GoodsOverflowMessage {
  readonly event: 'conflated' | 'dropped' | 'disconnected';
  /** Name of the goods; empty if the subscriber was disconnected because it does not read replies. */
  readonly goods: string;
  /** `id` of the subscriber. */
  readonly subscriber: number;
  /** Number of items missed; 0 if the subscriber was disconnected. */
  readonly items: number;
}

/** Published on `goodwire:goods:refusal` when a request was refused, or a connection was closed because of a message that it sent. */
export interface GoodsRefusalMessage {
  readonly error: Error;
  /** `id` of the subscriber. */
  readonly subscriber: number;
}

/** Called with what happens in a market. Errors that its methods throw are not caught. */
export interface Observer {
  failure(message: GoodsFailureMessage): void;
  subscription(message: GoodsSubscriptionMessage): void;
  overflow(message: GoodsOverflowMessage): void;
  refusal(message: GoodsRefusalMessage): void;
}
