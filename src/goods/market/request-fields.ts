import { isGoodsName, isPattern } from '../definition/goods-name.ts';
import { subscriptionKey } from '../session/subscription.ts';
import type { RawRequest, Since, WireLimits } from '../wire/frames.ts';
import { GoodsError } from '../wire/goods-error.ts';
import { isOffset } from '../wire/text-codec.ts';

/** Maximum number of levels that params are nested. */
const maxParamsDepth = 32;
const defaultPageSize = 100;
const maxPageSize = 1000;
/** Maximum length of a reason in characters. A longer one is cut. */
const maxReasonLength = 1000;

/** Reads the fields of requests. Each method throws a GoodsError if the field is invalid. */
export class RequestFields {
  readonly #limits: WireLimits;

  constructor(limits: WireLimits) {
    this.#limits = limits;
  }

  pattern(value: unknown): string {
    if (typeof value !== 'string') throw new GoodsError('bad-request', 'goods is a string');
    if (!isPattern(value, this.#limits.nameLength)) throw new GoodsError('bad-name');
    return value;
  }

  name(value: unknown): string {
    if (typeof value !== 'string') throw new GoodsError('bad-request', 'goods is a string');
    if (!isGoodsName(value, this.#limits.nameLength)) throw new GoodsError('bad-name');
    return value;
  }

  /** Reads goods and params, and the key of the subscription that they stand for. */
  subscription(request: RawRequest): { pattern: string; params: unknown; key: string } {
    const pattern = this.pattern(request.goods);
    const { params } = request;
    return { pattern, params, key: subscriptionKey(pattern, this.#paramsText(params)) };
  }

  #paramsText(params: unknown): string {
    if (params === undefined) return '';
    if (isDeeper(params, maxParamsDepth)) throw new GoodsError('params-too-large');
    const text = JSON.stringify(params);
    if (text.length > this.#limits.paramsSize) throw new GoodsError('params-too-large');
    return text;
  }

  /** Number of the latest items. Default 1. */
  last(value: unknown): number {
    return this.#integer(value, 'last', 0, Number.MAX_SAFE_INTEGER, 1);
  }

  /** Positions by the name of the goods; null if there is none. */
  since(value: unknown): ReadonlyMap<string, Since> | null {
    if (value === undefined) return null;
    if (!Array.isArray(value)) throw new GoodsError('bad-request', 'since is a list');
    const since = new Map<string, Since>();
    for (const entry of value as (Partial<Since> | null)[]) {
      const isPosition = typeof entry?.goods === 'string' && typeof entry.epoch === 'string' && isOffset(entry.offset);
      if (!isPosition) throw new GoodsError('bad-request', 'an entry of since has goods, epoch and an offset ≥ 0');
      since.set(entry.goods!, entry as Since);
    }
    return since;
  }

  items(value: unknown): readonly unknown[] {
    if (!Array.isArray(value) || value.length === 0) {
      throw new GoodsError('bad-request', 'items is a list of at least one');
    }
    return value;
  }

  reason(value: unknown = ''): string {
    if (typeof value !== 'string') throw new GoodsError('bad-request', 'reason is a string');
    return value.slice(0, maxReasonLength);
  }

  /**
   * Returns the page of a sorted list that a request asks for, and the start of the next page if there is one.
   * @param list Called only if the request is valid.
   */
  page<Item>(request: RawRequest, list: () => readonly Item[], keyOf: (item: Item) => string) {
    const limit = this.#integer(request.limit, 'limit', 1, maxPageSize, defaultPageSize);
    const { after } = request;
    if (after !== undefined && typeof after !== 'string') throw new GoodsError('bad-request', 'after is a string');
    const all = list();
    const rest = after === undefined ? all : all.filter((item) => keyOf(item) > after);
    const page = rest.slice(0, limit);
    return { page, next: rest.length > limit ? { next: keyOf(page.at(-1)!) } : {} };
  }

  #integer(value: unknown, name: string, min: number, max: number, byDefault: number): number {
    if (value === undefined) return byDefault;
    if (!Number.isSafeInteger(value) || (value as number) < min || (value as number) > max) {
      throw new GoodsError('bad-request', `${name} is an integer from ${min} to ${max}`);
    }
    return value as number;
  }
}

/** Returns true if a value is nested deeper than a number of levels. */
function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (levels === 0) return true;
  for (const inner of Object.values(value)) if (isDeeper(inner, levels - 1)) return true;
  return false;
}
