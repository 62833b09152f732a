import type { Goods } from '../definition/goods.ts';
import { matches } from '../definition/goods-name.ts';
import { after } from '../definition/maybe-promise.ts';
import type { Session } from '../session/session.ts';
import { Provider, type ProviderBackend } from '../shelf/provider.ts';
import type { Shelf } from '../shelf/shelf.ts';
import type { ShelvedGoods } from '../shelf/shelved-goods.ts';
import { GoodsError } from '../wire/goods-error.ts';
import type { Admission } from './admission.ts';

/** The goods that a session has put on the shelf. */
interface ClientShelf {
  readonly provider: Provider;
  /** Names of the goods. */
  readonly names: Set<string>;
}

/** Goods that clients put on the shelf over their own connections. */
export class ClientGoods {
  readonly #shelf: Shelf;
  readonly #admission: Admission;
  readonly #backend: ProviderBackend;
  /** Maximum number of goods of one session. */
  readonly #maxGoods: number;
  /** Definitions by their name, which may be a pattern. */
  readonly #allowed = new Map<string, Goods>();
  /** Sessions that have ever put goods on the shelf. */
  readonly #shelves = new Map<Session, ClientShelf>();

  constructor(shelf: Shelf, admission: Admission, backend: ProviderBackend, maxGoods: number) {
    this.#shelf = shelf;
    this.#admission = admission;
    this.#backend = backend;
    this.#maxGoods = maxGoods;
  }

  /** Lets clients shelve goods whose names the definition's name matches. @throws Error if it was allowed before. */
  allow(definition: Goods): void {
    const { name } = definition;
    if (this.#allowed.has(name)) throw new Error(`clients may put ${name} on the shelf already`);
    this.#allowed.set(name, definition);
  }

  /** Returns the definition of goods that clients may shelve. */
  definitionFor(name: string): Goods | undefined {
    for (const definition of this.#allowed.values()) if (matches(definition.name, name)) return definition;
    return undefined;
  }

  /** Returns true if a session has put these goods on the shelf. */
  isProvider(session: Session, goods: ShelvedGoods | undefined): boolean {
    return goods !== undefined && goods.provider === this.#shelves.get(session)?.provider;
  }

  /**
   * Puts goods on the shelf for a session, and replies.
   * @throws GoodsError if the session may not shelve them, if they are on the shelf, or if it has shelved too many.
   */
  shelve(session: Session, id: number, name: string): void | Promise<void> {
    const definition = this.definitionFor(name);
    if (definition === undefined) throw new GoodsError('forbidden', name);
    const applicant = { subscriber: session, goods: definition, name, params: undefined, action: 'shelve' } as const;
    return after(this.#admission.authorize(applicant), () => {
      if (session.isClosed) return;
      if (this.#shelf.get(name) !== undefined) throw new GoodsError('already-shelved', name);
      const { provider, names } = this.#shelfOf(session);
      if (names.size >= this.#maxGoods) throw new GoodsError('too-many-goods', name);
      names.add(name);
      session.send({ op: 'ok', id });
      this.#shelf.open(definition.named(name), provider, {
        onDemand: (goods) => session.send({ op: 'demand', goods }),
        onIdle: (goods) => session.send({ op: 'idle', goods }),
      });
    });
  }

  /** Takes goods of a session off the shelf. @throws GoodsError `not-provider` if the session has not shelved them. */
  unshelve(session: Session, name: string, reason: string): void {
    const own = this.#shelves.get(session);
    if (own === undefined || !this.#shelf.unshelve(own.provider, name, reason)) {
      throw new GoodsError('not-provider', name);
    }
    own.names.delete(name);
  }

  /** Takes all goods of a session off the shelf, because its connection is gone. */
  leave(session: Session): void {
    this.#shelves.get(session)?.provider.close('provider gone');
    this.#shelves.delete(session);
  }

  #shelfOf(session: Session): ClientShelf {
    let shelf = this.#shelves.get(session);
    if (shelf === undefined) {
      shelf = { provider: new Provider(`subscriber ${session.id}`, this.#backend), names: new Set() };
      this.#shelves.set(session, shelf);
    }
    return shelf;
  }
}
