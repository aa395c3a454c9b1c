// Automata that follow how far a hypothesis has come with the token sequences it must contain.

/** Immutable: `advance` gives the state after one more token. */
export interface ConstraintState {
  /** Constraint tokens produced so far, the measure by which a beam is shared out. */
  readonly bank: number;
  readonly finished: boolean;
  /** Tokens that would make progress, in order of first mention. */
  nextTokens(): readonly number[];
  advance(token: number): ConstraintState;
}

/**
 * Constraints to be met in the order given. Between two of them anything may stand; inside one, a token
 * that does not continue it throws the hypothesis back to the very beginning (or to the first token, if
 * it is that one).
 */
export class OrderedConstraints implements ConstraintState {
  private constructor(
    /** All constraints, one behind the other. */
    private readonly tokens: readonly number[],
    /** Whether a constraint ends at each token. */
    private readonly ends: readonly boolean[],
    readonly bank: number,
  ) {}

  static create(constraints: readonly (readonly number[])[]): OrderedConstraints {
    const ends = constraints.flatMap((tokens) => tokens.map((_, i) => i === tokens.length - 1));
    return new OrderedConstraints(constraints.flat(), ends, 0);
  }

  get finished(): boolean {
    return this.bank === this.tokens.length;
  }

  nextTokens(): readonly number[] {
    const next: number[] = [];
    if (this.bank > 1) next.push(this.tokens[0]);
    if (!this.finished && !next.includes(this.tokens[this.bank])) next.push(this.tokens[this.bank]);
    return next;
  }

  advance(token: number): OrderedConstraints {
    const { tokens, ends, bank } = this;
    if (this.finished) return this;
    if (token === tokens[bank]) return this.at(bank + 1);
    if (bank === 0 || ends[bank - 1]) return this;
    return this.at(token === tokens[0] ? 1 : 0);
  }

  private at(bank: number): OrderedConstraints {
    return new OrderedConstraints(this.tokens, this.ends, bank);
  }
}

/** A prefix shared by constraints. */
interface TrieNode {
  readonly parent: TrieNode | undefined;
  readonly children: Map<number, TrieNode>;
  /** Constraints that end here. */
  ending: number;
  /** Constraints that pass through or end here. */
  total: number;
}

function buildTrie(constraints: readonly (readonly number[])[]): TrieNode {
  const root: TrieNode = { parent: undefined, children: new Map(), ending: 0, total: 0 };
  for (const tokens of constraints) {
    let node = root;
    node.total++;
    for (const token of tokens) {
      let child = node.children.get(token);
      if (child === undefined) {
        child = { parent: node, children: new Map(), ending: 0, total: 0 };
        node.children.set(token, child);
      }
      node = child;
      node.total++;
    }
    node.ending++;
  }
  return root;
}

type Counts = ReadonlyMap<TrieNode, number>;

/**
 * Constraints to be met in any order. Their prefixes form a trie; a hypothesis walks it, falls back to the
 * root with a token that does not continue, and counts per node how often it was produced and how often
 * a constraint that ends there was met.
 */
export class UnorderedConstraints implements ConstraintState {
  readonly bank: number;

  private constructor(
    private readonly root: TrieNode,
    private readonly node: TrieNode,
    private readonly generated: Counts,
    private readonly completed: Counts,
  ) {
    let bank = 0;
    for (const count of generated.values()) bank += count;
    this.bank = bank;
  }

  static create(constraints: readonly (readonly number[])[]): UnorderedConstraints {
    const root = buildTrie(constraints);
    return new UnorderedConstraints(root, root, new Map(), new Map());
  }

  get finished(): boolean {
    return this.root.total === this.metCount;
  }

  /** Constraints met, the one that ends at the present node included. */
  private get metCount(): number {
    let met = this.endsOneHere(this.node) ? 1 : 0;
    for (const count of this.completed.values()) met += count;
    return met;
  }

  nextTokens(): readonly number[] {
    const tokens = new Set(this.root.children.keys());
    for (const token of this.node.children.keys()) tokens.add(token);
    return [...tokens];
  }

  advance(token: number): UnorderedConstraints {
    const onwards = this.open(this.node, token);
    if (onwards) return this.at(onwards, new Map(this.generated), this.completed);
    const generated = new Map(this.generated);
    const completed = new Map(this.completed);
    // The child is judged by what was produced before this walk is taken back.
    const restart = this.open(this.root, token);
    this.leave(generated, completed);
    return this.at(restart ?? this.root, generated, completed);
  }

  /** The child of a node by a token, unless all constraints below it were already produced. */
  private open(node: TrieNode, token: number): TrieNode | undefined {
    const child = node.children.get(token);
    const free = child !== undefined && (this.generated.get(child) ?? 0) < child.total;
    return free ? child : undefined;
  }

  /** Takes the walk back up to the longest constraint it met, which counts as met from now on. */
  private leave(generated: Map<TrieNode, number>, completed: Map<TrieNode, number>): void {
    for (let node = this.node; node.parent !== undefined; node = node.parent) {
      if (this.endsOneHere(node)) {
        completed.set(node, (completed.get(node) ?? 0) + 1);
        return;
      }
      generated.set(node, (generated.get(node) ?? 0) - 1);
    }
  }

  private endsOneHere(node: TrieNode): boolean {
    return (this.completed.get(node) ?? 0) < node.ending;
  }

  private at(
    node: TrieNode,
    generated: Map<TrieNode, number>,
    completed: Counts,
  ): UnorderedConstraints {
    if (node !== this.root) generated.set(node, (generated.get(node) ?? 0) + 1);
    return new UnorderedConstraints(this.root, node, generated, completed);
  }
}

/** A packed row of fairseq: [count, tokens of the first, 0, tokens of the second, 0, ...] as sequences. */
export function unpackConstraints(row: ArrayLike<number>): number[][] {
  const constraints: number[][] = [];
  let at = 1;
  for (let i = 0; i < row[0]; i++) {
    const tokens: number[] = [];
    while (row[at] !== 0) tokens.push(row[at++]);
    at++;
    constraints.push(tokens);
  }
  return constraints;
}
