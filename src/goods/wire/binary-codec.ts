import type { BytesFrame, BytesSupplyRequest } from './frames.ts';
import { WireError } from './goods-error.ts';
import { decoder, encoder } from './utf8.ts';

// Binary messages: one byte for the type, fields of fixed length, the lengths of the texts, the texts, and the payload.
//   1  item:    1, offset (8), length of the name (2), length of the variant (2), name, variant, payload
//   2  supply:  2, id (8),     length of the name (2), name, payload

const itemType = 1;
const supplyType = 2;
const itemHead = 13;
const supplyHead = 11;

function encodeText(text: string): Uint8Array {
  const bytes = encoder.encode(text);
  if (bytes.length > 0xffff) throw new RangeError(`A text in a header has at most 65535 bytes; got ${bytes.length}`);
  return bytes;
}

function encodeBinary(type: number, counter: number, texts: readonly string[], payload: Uint8Array): Uint8Array {
  const encoded = texts.map(encodeText);
  const head = 9 + 2 * encoded.length;
  const message = new Uint8Array(encoded.reduce((sum, { length }) => sum + length, head + payload.length));
  const view = new DataView(message.buffer);
  message[0] = type;
  view.setBigUint64(1, BigInt(counter));
  let at = head;
  encoded.forEach((text, i) => {
    view.setUint16(9 + 2 * i, text.length);
    message.set(text, at);
    at += text.length;
  });
  message.set(payload, at);
  return message;
}

function decodeBinary(message: Uint8Array, type: number, head: number) {
  if (message[0] !== type || message.length < head) throw new WireError(1003, 'not a binary message of goods.v1');
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  const counter = view.getBigUint64(1);
  if (counter > Number.MAX_SAFE_INTEGER) throw new WireError(1003, 'a number in a binary message is above 2^53-1');
  const texts: string[] = [];
  let at = head;
  for (let field = 9; field < head; field += 2) {
    const end = at + view.getUint16(field);
    if (end > message.length) throw new WireError(1003, 'a binary message ends inside a text of its header');
    try {
      texts.push(decoder.decode(message.subarray(at, end)));
    } catch (cause) {
      throw new WireError(1003, 'a text in a binary message is not UTF-8', { cause });
    }
    at = end;
  }
  return { counter: Number(counter), texts, payload: message.subarray(at) };
}

/** Returns an item of kind bytes as a binary message. Copies the payload. @throws RangeError if a text has more than 65 535 bytes. */
export function encodeBytesItem(goods: string, variant: string, offset: number, payload: Uint8Array): Uint8Array {
  return encodeBinary(itemType, offset, [goods, variant], payload);
}

/** Reads a binary message of a market. The item is a view of the message. @throws WireError if the message is invalid. */
export function decodeBytesItem(message: Uint8Array): BytesFrame {
  const { counter, texts, payload } = decodeBinary(message, itemType, itemHead);
  const [goods, variant] = texts as [string, string];
  return { op: 'bytes', goods, ...(variant === '' ? {} : { variant }), offset: counter, item: payload };
}

/** Returns a supply request with bytes as a binary message. Copies the payload. @throws RangeError if the name has more than 65 535 bytes. */
export function encodeBytesSupply(id: number, goods: string, payload: Uint8Array): Uint8Array {
  return encodeBinary(supplyType, id, [goods], payload);
}

/** Reads a binary message of a client. The item is a view of the message. @throws WireError if the message is invalid. */
export function decodeBytesSupply(message: Uint8Array): BytesSupplyRequest {
  const { counter, texts, payload } = decodeBinary(message, supplyType, supplyHead);
  if (counter === 0) throw new WireError(1007, 'a request has an id, which is an integer from 1 to 2^53-1');
  return { op: 'supply-bytes', id: counter, goods: texts[0]!, item: payload };
}
