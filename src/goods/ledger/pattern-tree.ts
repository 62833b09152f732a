import { matchesSegments } from '../definition/goods-name.ts';

/** What stands behind a segment: more than one pattern, or one alone, which needs no node for the rest of its segments. */
type Branch<Value extends object> = Node<Value> | Value;

/** The patterns that begin with the same segments: two at least, unless it is the root. */
class Node<Value extends object> {
  /** Of the pattern that ends here. */
  value: Value | null = null;
  /** One branch needs no map: an empty one takes more than a node. */
  #only: Branch<Value> | null = null;
  #segment = '';
  #branches: Map<string, Branch<Value>> | null = null;

  get(segment: string): Branch<Value> | undefined {
    if (this.#branches !== null) return this.#branches.get(segment);
    return this.#only !== null && this.#segment === segment ? this.#only : undefined;
  }

  set(segment: string, branch: Branch<Value>): void {
    if (this.#branches !== null) this.#branches.set(segment, branch);
    else if (this.#only === null || this.#segment === segment) this.#setOnly(segment, branch);
    else {
      this.#branches = new Map([
        [this.#segment, this.#only],
        [segment, branch],
      ]);
      this.#setOnly('', null);
    }
  }

  /** Takes out a branch, which is there. */
  delete(segment: string): void {
    if (this.#branches === null) {
      this.#setOnly('', null);
      return;
    }
    this.#branches.delete(segment);
    if (this.#branches.size > 1) return;
    for (const [left, branch] of this.#branches) this.#setOnly(left, branch);
    this.#branches = null;
  }

  /** If it is of one pattern only: the value of that. */
  get alone(): Value | null {
    if (this.#branches !== null) return null;
    if (this.#only === null) return this.value;
    return this.value === null && !(this.#only instanceof Node) ? this.#only : null;
  }

  #setOnly(segment: string, branch: Branch<Value> | null): void {
    this.#segment = segment;
    this.#only = branch;
  }
}

/** Reads what a value stands under, which must not change while it does. */
export interface PatternReader<Value> {
  patternOf(value: Value): string;
}

const oneSegment = '*';
const anySegments = '**';

/**
 * Values by their patterns, found by the names that these match: a tree of segments, of which `*` stands for one segment of a name and `**`
 * for any number of them, also none. Every other segment, whatever it is made of, stands for itself.
 *
 * There are nodes only for what patterns have in common. What one has for itself is read from the value, so that it takes no memory here.
 */
export class PatternTree<Value extends object> {
  readonly #root = new Node<Value>();
  readonly #reader: PatternReader<Value>;
  #size = 0;
  #nodes = 0;

  constructor(reader: PatternReader<Value>) {
    this.#reader = reader;
  }

  /** Patterns that it has. */
  get size(): number {
    return this.#size;
  }

  /** Beginnings that patterns have in common, but for the empty one: fewer for few patterns, and none for one. */
  get nodes(): number {
    return this.#nodes;
  }

  get(pattern: string): Value | undefined {
    let node = this.#root;
    for (const segment of pattern.split('/')) {
      const branch = node.get(segment);
      if (!(branch instanceof Node)) return this.#isAt(branch, pattern) ? branch : undefined;
      node = branch;
    }
    return node.value ?? undefined;
  }

  /** Puts a value under its pattern, in place of the one that is there. */
  set(value: Value): void {
    const pattern = this.#reader.patternOf(value);
    const segments = pattern.split('/');
    /** Of the pattern that was alone so far, and makes room. */
    let other: string[] | null = null;
    let node = this.#root;
    for (let depth = 0; depth < segments.length; depth++) {
      const segment = segments[depth]!;
      const branch = node.get(segment);
      if (branch instanceof Node) node = branch;
      else if (branch === undefined || this.#isAt(branch, pattern)) {
        node.set(segment, value);
        if (branch === undefined) this.#size++;
        return;
      } else {
        other ??= this.#reader.patternOf(branch).split('/');
        const shared = new Node<Value>();
        if (other.length === depth + 1) shared.value = branch;
        else shared.set(other[depth + 1]!, branch);
        node.set(segment, shared);
        this.#nodes++;
        node = shared;
      }
    }
    if (node.value === null) this.#size++;
    node.value = value;
  }

  /** Takes a pattern out, if it is there, and every node that is then of one pattern only. */
  delete(pattern: string): void {
    const segments = pattern.split('/');
    const way = [this.#root];
    let branch: Branch<Value> | undefined;
    for (const segment of segments) {
      branch = way.at(-1)!.get(segment);
      if (!(branch instanceof Node)) break;
      way.push(branch);
    }
    if (branch instanceof Node) {
      if (branch.value === null) return;
      branch.value = null;
    } else {
      if (!this.#isAt(branch, pattern)) return;
      way.at(-1)!.delete(segments[way.length - 1]!);
    }
    this.#size--;
    for (let depth = way.length - 1; depth > 0; depth--) {
      const { alone } = way[depth]!;
      if (alone === null) return;
      way[depth - 1]!.set(segments[depth - 1]!, alone);
      this.#nodes--;
    }
  }

  #isAt(branch: Value | undefined, pattern: string): boolean {
    return branch !== undefined && this.#reader.patternOf(branch) === pattern;
  }

  /**
   * Visits the value of each pattern that matches a name, once, in no order that counts. The tree must not change meanwhile.
   *
   * It looks at no node twice for the same segment of the name, so that no pattern makes it exponential, and at no node that what it has
   * seen of the name does not lead to: with d segments and without `**`, at 2^d nodes at the most, of which there must be that many. A pattern
   * that such a node leads to, and that is alone from there, is compared once, which takes the product of the two lengths at the most.
   * @returns How many times it looked at a node, and how many patterns it compared: what it took.
   */
  forEachMatch(name: string, visit: (value: Value) => void): number {
    if (this.#size === 0) return 0;
    const segments = name.split('/');
    let reached: Node<Value>[] = [];
    // Nodes of `**`. Once reached they stay so, as they take in whatever comes; only they can be reached in more than one way.
    const open = new Set<Node<Value>>();
    const alone = new Set<Value>();
    let steps = 0;
    const reach = (branch: Branch<Value> | undefined): void => {
      if (branch === undefined) return;
      if (!(branch instanceof Node)) {
        alone.add(branch);
        return;
      }
      reached.push(branch);
      // It also stands for none, so what follows it is reached as well.
      for (let any = branch.get(anySegments); any !== undefined; any = any.get(anySegments)) {
        if (!(any instanceof Node)) {
          alone.add(any);
          break;
        }
        if (open.has(any)) break;
        steps++;
        open.add(any);
      }
    };
    reach(this.#root);
    for (const segment of segments) {
      const before = reached;
      const openBefore = open.size;
      reached = [];
      // A star in a name is only that: a pattern's stars would otherwise be found twice.
      const isStar = segment === oneSegment || segment === anySegments;
      const step = (node: Node<Value>): void => {
        steps++;
        reach(node.get(oneSegment));
        if (!isStar) reach(node.get(segment));
      };
      for (const node of before) step(node);
      // Those that open at this segment lie behind it, and a set gives them last.
      let left = openBefore;
      for (const node of open) {
        if (left-- === 0) break;
        step(node);
      }
    }
    for (const { value } of [...reached, ...open]) if (value !== null) visit(value);
    for (const value of alone) {
      if (matchesSegments(this.#reader.patternOf(value).split('/'), segments)) visit(value);
    }
    return steps + alone.size;
  }
}
