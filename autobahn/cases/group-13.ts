import type { DeflateRequest } from '../wire/deflate-agreement.ts';
import type { CaseDefinition } from './case-definition.ts';
import { corpora } from './corpus.ts';
import { compressed } from './group-12.ts';

type Wish = readonly [noContextTakeover: boolean, maxWindowBits: number];

const wishes: readonly (readonly Wish[])[] = [
  [[false, 0]],
  [[true, 0]],
  [[false, 9]],
  [[false, 15]],
  [[true, 9]],
  [[true, 15]],
  [
    [true, 9],
    [true, 0],
    [false, 0],
  ],
];

// Autobahn's own notation for its data.
const print = (list: readonly Wish[]): string =>
  list.map(([takeover, bits]) => `(${takeover ? 'True' : 'False'}, ${bits})`).join(', ');

/** Messages compressed with the settings that we request. */
export const group13: readonly CaseDefinition[] = wishes.flatMap((list, index) => {
  const requests = list.map(
    ([noContextTakeover, maxWindowBits]): DeflateRequest => ({ noContextTakeover, maxWindowBits }),
  );
  const offer = `Use permessage-deflate client offers (requestNoContextTakeover, requestMaxWindowBits): [${print(list)}]`;
  return compressed(`13.${index + 1}`, corpora.json, requests, offer);
});
