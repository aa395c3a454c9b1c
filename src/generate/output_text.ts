// Tokens as the text that is printed and scored.
import type { GenerationConfig } from "../config/schemas/generation.ts";
import { UserError } from "../config/user_error.ts";
import { postProcess } from "../data/bpe/post_process.ts";
import type { Dictionary } from "../data/dictionary.ts";
import type { TextCodec } from "../data/text_codec.ts";
import { readTextLines } from "../data/text_lines.ts";
import { tokenizeLine } from "../data/white_space.ts";
import { alignedSources, hardAlignment, softAlignment } from "../decode/alignment.ts";
import type { Hypothesis, SpecialTokens } from "../decode/hypothesis.ts";
import type { HypothesisText } from "../decode/output_lines.ts";
import { replaceUnknown } from "../decode/replace_unk.ts";

export interface OutputTextParts {
  readonly sourceDictionary: Dictionary;
  readonly targetDictionary: Dictionary;
  readonly special: SpecialTokens;
  readonly config: Pick<GenerationConfig, "post_process" | "replace_unk" | "print_alignment">;
  readonly codec: TextCodec;
}

/** A source sentence, as far as its hypotheses' text depends on it. */
export interface SourceText {
  /** With padding, as the attention counts. */
  readonly tokens: Int32Array;
  /** The line it was made from, where that is known: unknown words stand in it. */
  readonly line: string | undefined;
}

export class OutputText {
  private readonly mode: string | undefined;
  private readonly alignments: ReadonlyMap<string, string> | undefined;

  constructor(private readonly parts: OutputTextParts) {
    const { post_process, replace_unk } = parts.config;
    this.mode = post_process;
    if (replace_unk !== undefined) {
      this.alignments = replace_unk === true ? new Map() : readAlignments(replace_unk);
    }
  }

  /** Whether unknown words are replaced, and lines are therefore printed as they were given. */
  get replacesUnknown(): boolean {
    return this.alignments !== undefined;
  }

  /** A source with its pieces joined. */
  source({ tokens, line }: SourceText): string {
    if (this.replacesUnknown && line !== undefined) return postProcess(line, this.mode);
    const { pad } = this.parts.special;
    const words = tokens.filter((token) => token !== pad);
    return this.parts.sourceDictionary.string(words, { postProcess: this.mode });
  }

  /** A reference likewise; unknown words are marked as none that a model says: <<unk>>. */
  reference(tokens: Int32Array, line: string | undefined): string {
    if (this.replacesUnknown && line !== undefined) return postProcess(line, this.mode);
    return this.parts.targetDictionary.string(tokens, { postProcess: this.mode, escapeUnk: true });
  }

  /** Text with the codec undone too. */
  decode(text: string): string {
    return this.parts.codec.decode(text);
  }

  hypothesis(hypothesis: Hypothesis, source: SourceText): HypothesisText {
    const text = postProcess(this.words(hypothesis, source).join(" "), this.mode);
    const detokenized = this.decode(text);
    const { print_alignment: kind } = this.parts.config;
    if (kind === undefined) return { text, detokenized };
    const pair = attendedPair(hypothesis, source, "--print-alignment");
    const { special } = this.parts;
    const alignment =
      kind === "hard"
        ? { kind, pairs: hardAlignment(pair, special) }
        : { kind, rows: softAlignment(pair, special) };
    return { text, detokenized, alignment };
  }

  /** The words of a hypothesis as the dictionary has them, unknown ones replaced if wanted. */
  private words(hypothesis: Hypothesis, source: SourceText): string[] {
    const { targetDictionary, special } = this.parts;
    const { tokens } = hypothesis;
    const said = [...tokens.keys()].filter(
      (i) => tokens[i] !== special.eos && tokens[i] !== special.bos,
    );
    const words = said.map((i) => targetDictionary.symbol(tokens[i]));
    const { line } = source;
    if (!this.alignments || line === undefined || !tokens.includes(special.unk)) return words;
    const pair = attendedPair(hypothesis, source, "--replace-unk");
    const places = alignedSources(pair, special);
    // Positions count padding, words do not.
    const before = source.tokens.findIndex((token) => token !== special.pad);
    const sources = said.map((i) => (places[i] < 0 ? -1 : places[i] - before));
    return replaceUnknown(
      words,
      tokenizeLine(line),
      sources,
      this.alignments,
      targetDictionary.unkWord,
    );
  }
}

function attendedPair({ tokens, attention }: Hypothesis, source: SourceText, flag: string) {
  if (attention) return { source: source.tokens, target: tokens, attention };
  throw new UserError({
    place: flag,
    problem: "the model has no attention to align words by",
    remedy: "use a model that attends to its source, or leave the flag out",
  });
}

const ALIGNMENTS = "give --replace-unk a dictionary with a source and a target word on each line";

/** "source target" lines; of several for one word the last counts, as in fairseq. */
function readAlignments(path: string): Map<string, string> {
  const words = new Map<string, string>();
  for (const [i, line] of readTextLines(path, ALIGNMENTS).entries()) {
    const [source, target] = tokenizeLine(line);
    if (source === undefined || target === undefined) {
      throw new UserError({
        place: `${path}:${i + 1}`,
        problem: `${JSON.stringify(line)} is not two words`,
        remedy: ALIGNMENTS,
      });
    }
    words.set(source, target);
  }
  return words;
}
