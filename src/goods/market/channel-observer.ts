import { channel } from 'node:diagnostics_channel';
import { stackOf } from '../definition/thrown.ts';
import type { Observer } from '../shelf/observer.ts';

const failures = channel('goodwire:goods:failure');
const subscriptions = channel('goodwire:goods:subscription');
const overflows = channel('goodwire:goods:overflow');
const refusals = channel('goodwire:goods:refusal');

/**
 * Returns an observer that publishes on `node:diagnostics_channel`. A failure without a subscriber on its channel becomes a warning of the
 * process, once for each place and goods.
 */
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
      // Names may come from clients, which could otherwise fill the memory.
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
