import { channel } from 'node:diagnostics_channel';
import { stackOf } from './goods-error.ts';

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

const failures = channel('goodwire:goods:failure');
const subscriptions = channel('goodwire:goods:subscription');
const overflows = channel('goodwire:goods:overflow');
const refusals = channel('goodwire:goods:refusal');

/** Whom a market tells what happens in it. What its methods throw is not caught. */
export interface Observer {
  failure(message: GoodsFailureMessage): void;
  subscription(message: GoodsSubscriptionMessage): void;
  overflow(message: GoodsOverflowMessage): void;
  refusal(message: GoodsRefusalMessage): void;
}

/** Publishes on `node:diagnostics_channel`. A failure that nobody hears becomes a warning of the process: once for each place and goods. */
export function channelObserver(): Observer {
  const warned = new Set<string>();
  return {
    failure(message) {
      if (failures.hasSubscribers) {
        failures.publish(message);
        return;
      }
      const { place, goods, error } = message;
      const what = goods === undefined ? place : `${place} of ${goods}`;
      // Names may come from clients: what they can make us remember is bounded.
      if (warned.has(what) || warned.size >= 1000) return;
      warned.add(what);
      process.emitWarning(`A function given to a market of goods failed: ${what}`, {
        type: 'GoodwireWarning',
        code: 'GOODWIRE_GOODS_FAILURE',
        detail: stackOf(error),
      });
    },
    subscription: (message) => void (subscriptions.hasSubscribers && subscriptions.publish(message)),
    overflow: (message) => void (overflows.hasSubscribers && overflows.publish(message)),
    refusal: (message) => void (refusals.hasSubscribers && refusals.publish(message)),
  };
}
