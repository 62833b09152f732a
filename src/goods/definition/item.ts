import { isUint8Array } from '../../realm/kinds.ts';

/** Kind of the items of goods: JSON values, text, or bytes. */
export type Kind = 'json' | 'text' | 'bytes';

/**
 * Returns an item as it goes into a frame: its JSON text, or its bytes.
 * @throws TypeError if goods of this kind cannot have the item.
 */
export function packItem(kind: Kind, item: unknown): string | Uint8Array {
  if (kind === 'bytes') {
    if (!isUint8Array(item)) throw new TypeError(`An item made of bytes is a Uint8Array; got ${typeof item}`);
    return item;
  }
  if (kind === 'text' && typeof item !== 'string') {
    throw new TypeError(`An item of text is a string; got ${typeof item}`);
  }
  const text = JSON.stringify(item) as string | undefined;
  if (text === undefined) throw new TypeError(`JSON cannot hold an item that is a ${typeof item}`);
  return text;
}
