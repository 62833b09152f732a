import type { Random } from '../random.ts';
import { maxLength, mutateOctets } from './octets.ts';

const names = [
  'any',
  'cam',
  'fruit/apple',
  'fruit/*',
  '**',
  'made/x',
  'made/**',
  '__proto__',
  'constructor',
  '',
  'a//b',
  '*',
  '\ud800',
  '\u0000',
];
const words = [
  'subscribe',
  'unsubscribe',
  'subscriptions',
  'catalog',
  'supply',
  'shelve',
  'unshelve',
  'ping',
  'item',
  'error',
  'ok',
  'welcome',
];
const fields = [
  'op',
  'id',
  'goods',
  'params',
  'last',
  'since',
  'after',
  'limit',
  'pattern',
  'items',
  'reason',
  'epoch',
  'offset',
  '__proto__',
];
const numbers = [0, 1, 2, -1, 0.5, 1000, 1001, 2 ** 31, 2 ** 53 - 1, 2 ** 53, 1e300];

function value(random: Random, depth = 0): unknown {
  switch (random.below(depth > 3 ? 5 : 8)) {
    case 0:
      return random.pick(names);
    case 1:
      return random.pick(words);
    case 2:
      return random.pick(numbers);
    case 3:
      return random.pick([null, true, false]);
    case 4:
      return 'x'.repeat(random.pick([0, 1, 255, 256, 5000]));
    case 5:
      return Array.from({ length: random.below(5) }, () => value(random, depth + 1));
    case 6:
      return [{ goods: random.pick(names), epoch: random.pick(words), offset: random.pick(numbers) }];
    default:
      return Object.fromEntries([[random.pick(fields), value(random, depth + 1)]]);
  }
}

function changeLine(random: Random, line: string): string {
  let object: Record<string, unknown>;
  try {
    object = JSON.parse(line) as Record<string, unknown>;
  } catch {
    return line;
  }
  if (typeof object !== 'object' || object === null) return line;
  const field = random.oneIn(3) ? random.pick(fields) : random.pick([...Object.keys(object), 'goods']);
  const changed: Record<string, unknown> = Object.assign(Object.create(null), object);
  if (random.oneIn(6)) delete changed[field];
  else changed[field] = value(random);
  return JSON.stringify(changed);
}

/** Changes messages, one per line: their order, a field of one message, or its bytes. Ids usually stay ascending. */
export function mutateJsonLines(random: Random, octets: Buffer, other: Buffer): Buffer {
  if (random.oneIn(8)) return mutateOctets(random, octets, other);
  const lines = octets.toString('latin1').split('\n');
  const at = random.below(lines.length);
  switch (random.below(6)) {
    case 0:
      lines.splice(at, 1);
      break;
    case 1:
      lines.splice(at, 0, random.pick(other.toString('latin1').split('\n')));
      break;
    case 2:
      lines.splice(at, 0, ...Array<string>(random.oneIn(20) ? 60 : 1).fill(lines[at]!));
      break;
    default:
      lines[at] = changeLine(random, lines[at]!);
  }
  const numbered = random.oneIn(12) ? lines : lines.map((line, i) => line.replace(/"id":\d+/, `"id":${i + 1}`));
  return Buffer.from(numbered.join('\n'), 'latin1').subarray(0, maxLength);
}
