import type { Frame, RawRequest, Request, Stream } from './frames.ts';
import { WireError } from './goods-error.ts';

function parseObject(text: string): Readonly<Record<string, unknown>> & { readonly op: string } {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new WireError(1007, 'a text message of goods.v1 is JSON', { cause });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new WireError(1007, 'a text message of goods.v1 is a JSON object');
  }
  const object = value as Readonly<Record<string, unknown>> & { readonly op?: unknown };
  if (typeof object.op !== 'string') throw new WireError(1007, 'a frame of goods.v1 has an op, which is a string');
  return object as typeof object & { readonly op: string };
}

/** Returns true if a value is an offset: an integer from 0 to 2^53-1. */
export function isOffset(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/**
 * Reads a text message of a client. Only `op` and `id` are checked: without them there can be no reply.
 * @throws WireError if it is not a JSON object with both.
 */
export function parseRequest(text: string): RawRequest {
  const object = parseObject(text);
  const { id } = object;
  if (!isOffset(id) || id === 0) throw new WireError(1007, 'a request has an id, which is an integer from 1 to 2^53-1');
  return object as RawRequest;
}

/** Returns a request as a text message. @throws TypeError if JSON cannot hold it. */
export function formatRequest(request: Request): string {
  return JSON.stringify(request);
}

/** Returns a frame of a market as a text message. @throws TypeError if JSON cannot hold it. */
export function formatFrame(frame: Frame): string {
  return JSON.stringify(frame);
}

type Check = (value: unknown) => boolean;
/** A check for each field of a frame but `op`. `params` is JSON of any kind, and needs none. */
type FieldChecks<AnyFrame> = { readonly [Field in Exclude<keyof AnyFrame, 'op' | 'params'>]-?: Check };
const isString: Check = (value) => typeof value === 'string';
const isArray: Check = (value) => Array.isArray(value);
const isAnything: Check = () => true;
const isObject: Check = (value) => typeof value === 'object' && value !== null;
const optional =
  (check: Check): Check =>
  (value) =>
    value === undefined || check(value);
const isStream: Check = (value) => {
  const stream = value as Partial<Record<keyof Stream, unknown>> | null;
  return (
    isObject(stream) &&
    isString(stream!.goods) &&
    optional(isString)(stream!.variant) &&
    isString(stream!.kind) &&
    isString(stream!.epoch) &&
    isOffset(stream!.offset)
  );
};
const isStreams: Check = (value) => Array.isArray(value) && value.every(isStream);
const isSubscriptions: Check = (value) =>
  Array.isArray(value) && value.every((entry) => isObject(entry) && isString(entry.goods) && isStreams(entry.streams));
const isCatalog: Check = (value) =>
  Array.isArray(value) && value.every((entry) => isObject(entry) && isString(entry.goods) && isString(entry.kind));
const address = { goods: isString, variant: optional(isString) };

/**
 * Required and optional fields of each frame of a market: a frame without a row, or a row without a frame, does not compile. Other fields
 * are ignored, so that later versions can add some.
 */
const frameFields = {
  welcome: { protocol: isString, heartbeat: isOffset, limits: isObject },
  ok: {
    id: isOffset,
    streams: optional(isStreams),
    removed: optional((value) => typeof value === 'boolean'),
    offset: optional(isOffset),
    subscriptions: optional(isSubscriptions),
    catalog: optional(isCatalog),
    next: optional(isString),
  },
  error: { id: isOffset, code: isString, message: isString, retryAfter: optional(isOffset) },
  item: { ...address, offset: isOffset, item: isAnything },
  items: { ...address, offset: isOffset, items: isArray },
  skip: { ...address, from: isOffset, to: isOffset, reason: isString },
  shelved: { goods: isString, stream: isStream },
  unshelved: { goods: isString, reason: isString },
  revoked: { goods: isString, stream: optional(isString), reason: isString },
  demand: { goods: isString },
  idle: { goods: isString },
  closing: { reason: isString, retryAfter: isOffset },
} satisfies { readonly [Op in Frame['op']]: FieldChecks<Extract<Frame, { readonly op: Op }>> };

/**
 * Reads a text message of a market.
 * @returns The frame; null if this version has no such op. The caller ignores it.
 * @throws WireError if it is not a JSON object with an op, or if a field is missing or invalid.
 */
export function parseFrame(text: string): Frame | null {
  const object = parseObject(text);
  // Otherwise an op such as `constructor` would find a property of every object.
  if (!Object.hasOwn(frameFields, object.op)) return null;
  for (const [name, check] of Object.entries<Check>(frameFields[object.op as Frame['op']])) {
    if (!check(object[name])) throw new WireError(1007, `the frame ${object.op} has no valid field ${name}`);
  }
  return object as unknown as Frame;
}
