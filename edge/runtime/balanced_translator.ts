// Several translators of one bundle as one: each call goes to the one with the fewest.
import type { Manifest } from "./manifest.ts";
import type {
  EdgeTranslator,
  HypothesisResult,
  RequestOptions,
  SentenceResult,
  TextResult,
} from "./translator.ts";

/** A translator that tells how many calls it has. */
export interface LoadedTranslator extends EdgeTranslator {
  readonly load: number;
}

export class BalancedTranslator implements EdgeTranslator {
  readonly manifest: Manifest;
  readonly maxSourceTokens: number;
  readonly engine: string;

  /**
   * @param members at least one; whoever owns the list may put others into it.
   * @param onClose closes them.
   */
  constructor(
    private readonly members: readonly LoadedTranslator[],
    private readonly onClose: () => void,
  ) {
    const [{ manifest, maxSourceTokens, engine }] = members;
    this.manifest = manifest;
    this.maxSourceTokens = maxSourceTokens;
    this.engine = engine;
  }

  get isReady(): boolean {
    return this.members.some(({ isReady }) => isReady);
  }

  get memory(): EdgeTranslator["memory"] {
    const sum = (of: (memory: EdgeTranslator["memory"]) => number): number =>
      this.members.reduce((total, { memory }) => total + of(memory), 0);
    return { used: sum(({ used }) => used), grown: sum(({ grown }) => grown) };
  }

  translate(text: string, options?: RequestOptions): Promise<TextResult> {
    return this.freest().translate(text, options);
  }

  generate(text: string, options?: RequestOptions): Promise<SentenceResult> {
    return this.freest().generate(text, options);
  }

  score(source: string, target: string, options?: RequestOptions): Promise<HypothesisResult> {
    return this.freest().score(source, target, options);
  }

  close(): void {
    this.onClose();
  }

  private freest(): LoadedTranslator {
    const [first, ...others] = this.members;
    return others.reduce((best, member) => (member.load < best.load ? member : best), first);
  }
}
