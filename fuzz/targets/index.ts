import type { Target } from '../case.ts';
import { close } from './close.ts';
import { compressed } from './compressed.ts';
import { connection } from './connection.ts';
import { exchangeTarget } from './exchange.ts';
import { fields } from './fields.ts';
import { frame } from './frame.ts';
import { goods } from './goods.ts';
import { handshake } from './handshake.ts';
import { inflateTarget } from './inflate.ts';
import { receiver } from './receiver.ts';
import { replies } from './replies.ts';
import { response } from './response.ts';

/** All targets that are fuzzed byte by byte, in-process. */
export const targets: readonly Target[] = [
  frame,
  connection,
  compressed,
  receiver,
  close,
  fields,
  handshake,
  response,
  exchangeTarget,
  replies,
  inflateTarget,
  goods,
];
