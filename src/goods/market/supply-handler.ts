import { after } from '../definition/maybe-promise.ts';
import type { Position } from '../definition/position.ts';
import { messageOf } from '../definition/thrown.ts';
import type { Session } from '../session/session.ts';
import type { Provider } from '../shelf/provider.ts';
import type { Shelf } from '../shelf/shelf.ts';
import type { ShelvedGoods } from '../shelf/shelved-goods.ts';
import { GoodsError } from '../wire/goods-error.ts';
import type { Admission } from './admission.ts';
import type { ClientGoods } from './client-goods.ts';

/** Items on their way in: from providers in this process, and from clients. */
export class SupplyHandler {
  readonly #shelf: Shelf;
  readonly #admission: Admission;
  readonly #clientGoods: ClientGoods;

  constructor(shelf: Shelf, admission: Admission, clientGoods: ClientGoods) {
    this.#shelf = shelf;
    this.#admission = admission;
    this.#clientGoods = clientGoods;
  }

  /**
   * Publishes items of a provider.
   * @throws Error if the provider does not have the goods on the shelf; GoodsError `too-many-goods` if there is no room for goods that the name
   * would create; TypeError or RangeError if the items are invalid.
   */
  fromProvider(provider: Provider, name: string, items: readonly unknown[]): Position | Promise<Position> {
    let goods = this.#shelf.get(name);
    if (goods === undefined) {
      const offer = this.#shelf.patternOfferFor(name);
      if (offer?.provider === provider) goods = this.#shelf.openOnDemand(offer, name);
    }
    if (goods === undefined || goods.provider !== provider) {
      throw new Error(`${name} is not on the shelf of ${provider.name}`);
    }
    return this.#shelf.publish(goods, items);
  }

  /**
   * Publishes items of a client, and replies with the offset of the last one.
   * @throws GoodsError if the goods do not exist, take no items from this client, or if an item is invalid.
   */
  fromClient(session: Session, id: number, name: string, items: readonly unknown[]): void | Promise<void> {
    const shelved = this.#shelf.get(name);
    const offer = shelved === undefined ? this.#shelf.patternOfferFor(name) : undefined;
    const definition = shelved?.definition ?? offer?.definition;
    if (definition === undefined) throw new GoodsError('unknown-goods', name);
    const mayPublish = () =>
      definition.options.remote === true || this.#clientGoods.isProvider(session, this.#shelf.get(name));
    if (!mayPublish()) throw new GoodsError('not-provider', name);
    const applicant = { subscriber: session, goods: definition, name, params: undefined, action: 'supply' } as const;
    return after(this.#admission.authorize(applicant), () =>
      after(this.#admission.checkItems(definition, items), (checked) => {
        if (session.isClosed) return undefined;
        const goods = this.#shelf.getOrOpen(name, offer);
        // Otherwise a decision about other goods of that name, which were shelved meanwhile, would be applied.
        const isSame = goods?.definition.options === definition.options;
        if (goods === undefined || !isSame || !mayPublish()) throw new GoodsError('not-provider', name);
        return after(this.#publish(goods, checked), ({ offset }) => session.send({ op: 'ok', id, offset }));
      }),
    );
  }

  #publish(goods: ShelvedGoods, items: readonly unknown[]): Position | Promise<Position> {
    try {
      return this.#shelf.publish(goods, items);
    } catch (cause) {
      throw new GoodsError('bad-item', messageOf(cause), { cause });
    }
  }
}
