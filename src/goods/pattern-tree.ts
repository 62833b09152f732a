/** One segment of the patterns that go through it. */
interface Node {
  readonly parent: Node | null;
  readonly segment: string;
  /** An only child needs no map: most nodes have one, and an empty map takes more than the node. */
  children: Node | Map<string, Node> | null;
  /** The pattern that ends here. */
  pattern: string | null;
}

const oneSegment = '*';
const anySegments = '**';

function childOf({ children }: Node, segment: string): Node | undefined {
  if (children === null) return undefined;
  if (children instanceof Map) return children.get(segment);
  return children.segment === segment ? children : undefined;
}

function addChild(parent: Node, segment: string): Node {
  const child: Node = { parent, segment, children: null, pattern: null };
  const { children } = parent;
  if (children === null) parent.children = child;
  else if (children instanceof Map) children.set(segment, child);
  else {
    parent.children = new Map([
      [children.segment, children],
      [segment, child],
    ]);
  }
  return child;
}

function removeChild(parent: Node, { segment }: Node): void {
  const { children } = parent;
  if (children instanceof Map && children.size > 1) children.delete(segment);
  else parent.children = null;
}

/**
 * A set of patterns that finds those which match a name: a tree of their segments, of which `*` stands for one segment of a name and `**`
 * for any number of them, also none. Every other segment, whatever it is made of, stands for itself.
 */
export class PatternTree {
  readonly #root: Node = { parent: null, segment: '', children: null, pattern: null };
  #nodes = 0;

  /** Segments that the tree holds; patterns that begin alike share them. An empty tree has none. */
  get nodes(): number {
    return this.#nodes;
  }

  /** Adds a pattern, if it is not there. */
  add(pattern: string): void {
    let node = this.#root;
    for (const segment of pattern.split('/')) {
      let child = childOf(node, segment);
      if (child === undefined) {
        child = addChild(node, segment);
        this.#nodes++;
      }
      node = child;
    }
    node.pattern = pattern;
  }

  /** Takes a pattern out, and every node that led to no other. */
  delete(pattern: string): void {
    let node: Node | undefined = this.#root;
    for (const segment of pattern.split('/')) {
      node = childOf(node, segment);
      if (node === undefined) return;
    }
    node.pattern = null;
    for (let { parent } = node; parent !== null && node.children === null && node.pattern === null; ) {
      removeChild(parent, node);
      this.#nodes--;
      node = parent;
      parent = node.parent;
    }
  }

  /**
   * Visits each pattern that matches a name, once, in no order that counts. The tree must not change meanwhile.
   *
   * It looks at no node twice for the same segment of the name, so that no pattern makes it exponential, and at no node that what it has
   * seen of the name does not lead to: with d segments and without `**`, at 2^d nodes at the most, of which there must be that many.
   * @returns How many times it looked at a node: what it took.
   */
  forEachMatch(name: string, visit: (pattern: string) => void): number {
    if (this.#nodes === 0) return 0;
    let reached: Node[] = [];
    // Nodes of `**`. Once reached they stay so, as they take in whatever comes; only they can be reached in more than one way.
    const open = new Set<Node>();
    const reach = (node: Node | undefined): void => {
      if (node === undefined) return;
      reached.push(node);
      // It also stands for none, so what follows it is reached as well.
      for (let any = childOf(node, anySegments); any !== undefined && !open.has(any); any = childOf(any, anySegments)) {
        open.add(any);
      }
    };
    reach(this.#root);
    let steps = 0;
    for (const segment of name.split('/')) {
      const before = reached;
      const openBefore = open.size;
      reached = [];
      // A star in a name is only that: a pattern's stars would otherwise be found twice.
      const isStar = segment === oneSegment || segment === anySegments;
      const step = (node: Node): void => {
        steps++;
        reach(childOf(node, oneSegment));
        if (!isStar) reach(childOf(node, segment));
      };
      for (const node of before) step(node);
      // Those that open at this segment lie behind it, and a set gives them last.
      let left = openBefore;
      for (const node of open) {
        if (left-- === 0) break;
        step(node);
      }
    }
    for (const { pattern } of [...reached, ...open]) if (pattern !== null) visit(pattern);
    return steps;
  }
}
