import { isUint8Array } from '../../realm/kinds.ts';
import type { AccessRequest, Action, Goods, Subscriber } from '../definition/goods.ts';
import { utf8Length } from '../definition/goods-name.ts';
import { packItem } from '../definition/item.ts';
import { after, isPromise } from '../definition/maybe-promise.ts';
import { messageOf } from '../definition/thrown.ts';
import { validate } from '../definition/validator.ts';
import type { FailurePlace, Observer } from '../shelf/observer.ts';
import { GoodsError, type GoodsErrorCode } from '../wire/goods-error.ts';
import type { MarketOptions } from './market-options.ts';

/** Maximum length of a variant in bytes of UTF-8. */
const maxVariantLength = 255;

/** A request for goods, with all that the application's hooks are called with. */
export interface Applicant {
  readonly subscriber: Subscriber;
  readonly goods: Goods;
  /** Name of the goods; `goods.name` may be a pattern. */
  readonly name: string;
  readonly params: unknown;
  readonly action: Action;
}

/** Decides on requests by calling the hooks of the application: `authorize`, `params`, `variant` and `item`. */
export class Admission {
  readonly #options: Pick<MarketOptions<never>, 'authorize'>;
  readonly #observer: Observer;

  constructor(options: Pick<MarketOptions<never>, 'authorize'>, observer: Observer) {
    this.#options = options;
    this.#observer = observer;
  }

  /** Returns the variant that a subscriber gets. @throws GoodsError if it may not subscribe. */
  admit(applicant: Applicant): string | Promise<string> {
    return after(this.authorize(applicant), () =>
      after(this.#validParams(applicant), (params) => this.#variant(applicant, params)),
    );
  }

  /** Calls {@link admit}. Returns null in place of an error. */
  tryToAdmit(applicant: Applicant): string | null | Promise<string | null> {
    try {
      const variant = this.admit(applicant);
      return isPromise(variant) ? variant.catch(() => null) : variant;
    } catch {
      return null;
    }
  }

  /** @throws GoodsError `forbidden` if the market's or the goods' `authorize` does not return true. */
  authorize({ subscriber, goods, name, params, action }: Applicant): void | Promise<void> {
    const request: AccessRequest = { action, goods: name, params };
    const { authorize } = this.#options;
    const { options } = goods;
    const first = authorize && (() => authorize.call(this.#options, subscriber as Subscriber<never>, request));
    const second = options.authorize && (() => options.authorize!(subscriber, request));
    return after(this.#ask(name, first), () => this.#ask(name, second));
  }

  #ask(name: string, hook: (() => boolean | Promise<boolean>) | undefined): void | Promise<void> {
    if (hook === undefined) return undefined;
    const refuse = (cause?: unknown): never => {
      if (cause !== undefined) this.#report('authorize', name, cause);
      throw new GoodsError('forbidden', name, { cause });
    };
    let answer: boolean | Promise<boolean>;
    try {
      answer = hook();
    } catch (error) {
      return refuse(error);
    }
    if (!isPromise(answer)) return answer === true ? undefined : refuse();
    return answer.then((isAllowed) => (isAllowed === true ? undefined : refuse()), refuse);
  }

  #validParams({ goods, params }: Applicant): unknown {
    const { params: validator, variant } = goods.options;
    if (validator !== undefined) return guarded('bad-params', () => validate(validator, params));
    // Otherwise a client would not learn that its params have no effect.
    if (params !== undefined && variant === undefined) throw new GoodsError('bad-params', 'these goods take no params');
    return params;
  }

  #variant({ goods, name, subscriber }: Applicant, params: unknown): string {
    if (goods.options.variant === undefined) return '';
    let variant: unknown;
    try {
      variant = goods.options.variant(subscriber, params);
      if (typeof variant !== 'string') throw new TypeError(`variant returned a ${typeof variant}, and not a string`);
      if (utf8Length(variant) > maxVariantLength || /\p{Cs}/u.test(variant)) {
        throw new RangeError(`variant returned no text of at most ${maxVariantLength} bytes of UTF-8`);
      }
    } catch (cause) {
      this.#report('variant', name, cause);
      throw new GoodsError('variant-failed', '', { cause });
    }
    return variant as string;
  }

  /** Returns the items of a client as the validator of the goods returns them. @throws GoodsError `bad-item` */
  checkItems(goods: Goods, items: readonly unknown[]): readonly unknown[] | Promise<readonly unknown[]> {
    const { item: validator } = goods.options;
    return guarded('bad-item', () => {
      for (const item of items) if (goods.kind !== 'json') packItem(goods.kind, item);
      if (goods.kind === 'json' && items.some(isUint8Array)) {
        throw new TypeError('the goods are not made of bytes');
      }
      if (validator === undefined) return items;
      const checked = items.map((item) => validate(validator, item));
      return checked.some(isPromise) ? Promise.all(checked) : checked;
    });
  }

  #report(place: FailurePlace, goods: string, error: unknown): void {
    this.#observer.failure({ place, goods, variant: undefined, error });
  }
}

/** Returns what `action` returns. What it throws, or rejects with, becomes a GoodsError. */
function guarded<Value>(code: GoodsErrorCode, action: () => Value | Promise<Value>): Value | Promise<Value> {
  const refuse = (cause: unknown): never => {
    throw new GoodsError(code, messageOf(cause), { cause });
  };
  try {
    const value = action();
    return isPromise(value) ? value.catch(refuse) : value;
  } catch (cause) {
    return refuse(cause);
  }
}
