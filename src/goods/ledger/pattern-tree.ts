import { matchesSegments } from '../definition/goods-name.ts';

/** Child of a node: a subtree, or the value itself if only one pattern continues here (path compression). */
type Branch<Value extends object> = Node<Value> | Value;

/** Patterns that begin with the same segments: at least two, except at the root. */
class Node<Value extends object> {
  /** Value of the pattern that ends here. */
  value: Value | null = null;
  /** The only branch, if there is one only: a Map, even an empty one, takes more memory than a node. */
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

  /** Removes a branch, which must exist. */
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

  /** The value of the only pattern of this node; null if it has several. */
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

/** Returns the pattern of a value. It must not change while the value is in the tree. */
export interface PatternReader<Value> {
  patternOf(value: Value): string;
}

const oneSegment = '*';
const anySegments = '**';

/**
 * Values by pattern, found by the names that the patterns match: a tree of segments. `*` matches one segment of a name, and `**` any number
 * of segments, also none. Every other segment matches itself.
 *
 * Only segments that patterns have in common have nodes. The other segments are read from the value, so that they take no memory here.
 */
export class PatternTree<Value extends object> {
  readonly #root = new Node<Value>();
  readonly #reader: PatternReader<Value>;
  #size = 0;
  #nodes = 0;

  constructor(reader: PatternReader<Value>) {
    this.#reader = reader;
  }

  /** Number of patterns. */
  get size(): number {
    return this.#size;
  }

  /** Number of nodes, the root not counted: one for each beginning that several patterns share. */
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

  /** Adds a value under its pattern. Replaces the value of the same pattern. */
  set(value: Value): void {
    const pattern = this.#reader.patternOf(value);
    const segments = pattern.split('/');
    /** Segments of the pattern that was a leaf so far, and now gets a node in common with the new one. */
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

  /** Removes a pattern, if it exists, and every node that then has one pattern only. */
  delete(pattern: string): void {
    const segments = pattern.split('/');
    const path = [this.#root];
    let branch: Branch<Value> | undefined;
    for (const segment of segments) {
      branch = path.at(-1)!.get(segment);
      if (!(branch instanceof Node)) break;
      path.push(branch);
    }
    if (branch instanceof Node) {
      if (branch.value === null) return;
      branch.value = null;
    } else {
      if (!this.#isAt(branch, pattern)) return;
      path.at(-1)!.delete(segments[path.length - 1]!);
    }
    this.#size--;
    for (let depth = path.length - 1; depth > 0; depth--) {
      const { alone } = path[depth]!;
      if (alone === null) return;
      path[depth - 1]!.set(segments[depth - 1]!, alone);
      this.#nodes--;
    }
  }

  #isAt(branch: Value | undefined, pattern: string): boolean {
    return branch !== undefined && this.#reader.patternOf(branch) === pattern;
  }

  /**
   * Visits the value of each pattern that matches a name: once, in no particular order. The tree must not change meanwhile.
   *
   * Each node is visited at most once per segment of the name, so that no pattern makes the search exponential. Only nodes that the segments
   * lead to are visited: without `**`, at most 2^d nodes for d segments. A pattern that is a leaf is compared once; that takes at most the
   * product of the two numbers of segments.
   * @returns The number of visits of nodes plus the number of comparisons: the cost of the search.
   */
  forEachMatch(name: string, visit: (value: Value) => void): number {
    if (this.#size === 0) return 0;
    const segments = name.split('/');
    let reached: Node<Value>[] = [];
    // Nodes of `**`. Once reached they stay reached, because they match any further segment. Only they can be reached in several ways.
    const open = new Set<Node<Value>>();
    const leaves = new Set<Value>();
    let steps = 0;
    const reach = (branch: Branch<Value> | undefined): void => {
      if (branch === undefined) return;
      if (!(branch instanceof Node)) {
        leaves.add(branch);
        return;
      }
      reached.push(branch);
      // `**` also matches no segment, so the node behind it is reached as well.
      for (let any = branch.get(anySegments); any !== undefined; any = any.get(anySegments)) {
        if (!(any instanceof Node)) {
          leaves.add(any);
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
      // Otherwise a star in a name would find the star of a pattern a second time, as a literal segment.
      const isStar = segment === oneSegment || segment === anySegments;
      const step = (node: Node<Value>): void => {
        steps++;
        reach(node.get(oneSegment));
        if (!isStar) reach(node.get(segment));
      };
      for (const node of before) step(node);
      // Nodes of `**` reached at this segment lie behind it. A Set iterates them last, and `left` stops before them.
      let left = openBefore;
      for (const node of open) {
        if (left-- === 0) break;
        step(node);
      }
    }
    for (const { value } of [...reached, ...open]) if (value !== null) visit(value);
    for (const value of leaves) {
      if (matchesSegments(this.#reader.patternOf(value).split('/'), segments)) visit(value);
    }
    return steps + leaves.size;
  }
}
