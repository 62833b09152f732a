import { rmSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type Case, demand, type Target } from '../../fuzz/case.ts';
import { addToCorpus, caseOf, readCorpus } from '../../fuzz/corpus.ts';
import { fuzz } from '../../fuzz/engine.ts';
import { mutateOctets } from '../../fuzz/mutations/octets.ts';
import { Random } from '../../fuzz/random.ts';
import { readRecordings } from '../../fuzz/recordings.ts';
import { faultOf } from '../../fuzz/reduce.ts';
import { targets } from '../../fuzz/targets/index.ts';

/** Target that is wrong about every case in which a 7 follows a 3. */
const wrong: Target = {
  name: 'wrong',
  title: '',
  seeds: () => [{ octets: Buffer.from([1, 2, 3, 4, 5, 6, 7, 8]), cut: [2, 2], config: 9 }],
  mutate: (random, given, other) => ({ ...given, octets: mutateOctets(random, given.octets, other.octets) }),
  run({ octets }) {
    const at = octets.indexOf(3);
    demand(at === -1 || octets[at + 1] !== 7, 'no 7 comes behind a 3', octets);
    return `${octets.length % 4}`;
  },
};

const until = (most: number) => (executions: number) => executions < most;

/** Returns the cases of a target in a round. */
async function casesOf(target: Target, seed: number, most: number): Promise<string[]> {
  const cases: string[] = [];
  const run = (given: Case) => {
    cases.push(`${given.octets.toString('hex')} ${given.cut} ${given.config}`);
    return target.run(given);
  };
  await fuzz({ ...target, run }, { seed, goesOn: until(most) });
  return cases;
}

describe('the corpus', () => {
  it('has no failing case', async () => {
    for (const { file, reproducer } of readCorpus()) {
      const target = targets.find(({ name }) => name === reproducer.target);
      expect(target, file).toBeDefined();
      await expect(faultOf(target!, caseOf(reproducer)), file).resolves.toBeNull();
    }
  });
});

describe('addToCorpus()', () => {
  it('saves a case, which is the same when read again', () => {
    const given: Case = { octets: Buffer.from('03e8ff', 'hex'), cut: [1, 2], config: 3 };
    const file = addToCorpus('close', 'Fault: kept by a test', given);
    try {
      const kept = readCorpus().find(({ reproducer }) => reproducer.fault === 'Fault: kept by a test');
      expect(file.endsWith(kept!.file)).toBe(true);
      expect(kept!.reproducer.target).toBe('close');
      expect(caseOf(kept!.reproducer)).toEqual(given);
    } finally {
      rmSync(file);
    }
  });
});

describe('the recordings', () => {
  it('are of ws, of Chromium and of goodwire, with compression and without', () => {
    const titles = readRecordings().map(({ title }) => title);
    for (const who of [
      'Chromium to goodwire',
      'Chromium to ws',
      'ws to goodwire',
      'goodwire to ws',
      'goodwire to goodwire',
    ]) {
      expect(titles).toContain(`${who}, plain`);
    }
    expect(readRecordings().filter(({ response }) => response.includes('permessage-deflate')).length).toBeGreaterThan(
      1,
    );
  });
});

describe.each(targets)('the target $name', (target) => {
  it('finds no failure in its seeds, nor in some hundred mutations of them', async () => {
    const { failure, executions, kinds } = await fuzz(target, { seed: 20_251_126, goesOn: until(600) });
    expect(failure?.error.stack ?? 'nothing').toBe('nothing');
    expect(executions).toBeGreaterThanOrEqual(600);
    expect(kinds).toBeGreaterThan(3);
  });

  it('does the same for the same seed, and something else for another seed', async () => {
    const [first, again, other] = [
      await casesOf(target, 1, 200),
      await casesOf(target, 1, 200),
      await casesOf(target, 2, 200),
    ];
    expect(again).toEqual(first);
    expect(other).not.toEqual(first);
  });
});

describe('fuzz()', () => {
  it('finds a fault, and reduces it to the smallest case', async () => {
    const { failure } = await fuzz(wrong, { seed: 1, goesOn: until(1_000_000) });
    expect(failure?.error.message).toMatch(/^no 7 comes behind a 3: /);
    expect(failure?.reduced).toEqual({ octets: Buffer.from([3, 7]), cut: [], config: 0 });
  });

  it('reports a case that throws another error', async () => {
    const run = () => {
      throw new TypeError('not expected');
    };
    const { failure, executions } = await fuzz({ ...wrong, run }, { seed: 1, goesOn: until(10) });
    expect(failure?.error).toBeInstanceOf(TypeError);
    expect(executions).toBe(1);
  });
});

describe('Random', () => {
  it('is the same for the same seed, and within its bounds', () => {
    const [a, b] = [new Random(7), new Random(7)];
    for (let i = 0; i < 1000; i++) expect(a.next()).toBe(b.next());
    const seen = new Set<number>();
    for (let i = 0; i < 1000; i++) seen.add(a.between(-1, 2));
    expect([...seen].sort((x, y) => x - y)).toEqual([-1, 0, 1, 2]);
    expect(new Random(1).octets(8)).not.toEqual(new Random(2).octets(8));
  });
});
