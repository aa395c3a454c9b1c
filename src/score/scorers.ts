import { Chrf } from "./chrf.ts";
import { evaluationText } from "./evaluation_text.ts";
import { formatBleu, requireTokenizer, SacreBleu } from "./sacre_bleu.ts";
import type { Scorer, Segment } from "./scorer.ts";
import { TokenBleu, type TokenBleuSymbols } from "./token_bleu.ts";
import { WordErrorRate } from "./word_error_rate.ts";

/** Settings of scorers, each used by the scorer whose name it begins with; all but chrf's are fairseq's. */
export interface ScoringSettings {
  /** Ids that `bleu` needs when it is given tokens. */
  readonly symbols?: TokenBleuSymbols;
  readonly sacrebleu_tokenizer?: string;
  readonly sacrebleu_lowercase?: boolean;
  readonly sacrebleu_char_level?: boolean;
  readonly chrf_lowercase?: boolean;
  readonly wer_tokenizer?: string;
  readonly wer_remove_punct?: boolean;
  readonly wer_char_level?: boolean;
  readonly wer_lowercase?: boolean;
}

/** What `--scoring` may name. */
export const scorers = {
  bleu: ({ symbols }: ScoringSettings): Scorer => new TokenBleu({ symbols }),
  sacrebleu: (settings: ScoringSettings): Scorer => new SacreBleuScorer(settings),
  chrf: ({ chrf_lowercase }: ScoringSettings): Scorer => new ChrfScorer(chrf_lowercase),
  wer: (settings: ScoringSettings): Scorer =>
    new WordErrorRate({
      tokenizer: requireTokenizer(settings.wer_tokenizer ?? "none"),
      removePunctuation: settings.wer_remove_punct,
      charLevel: settings.wer_char_level,
      lowercase: settings.wer_lowercase,
    }),
} as const;

export type ScorerName = keyof typeof scorers;

/** A fresh scorer. */
export const createScorer = (name: ScorerName, settings: ScoringSettings = {}): Scorer =>
  scorers[name](settings);

/** sacreBLEU's BLEU over text that was prepared as fairseq's settings say. */
class SacreBleuScorer implements Scorer {
  private readonly bleu: SacreBleu;
  private readonly prepare: (line: string) => string;

  constructor(settings: ScoringSettings) {
    const tokenizer = requireTokenizer(settings.sacrebleu_tokenizer ?? "13a");
    const { sacrebleu_lowercase: lowercase = false, sacrebleu_char_level: charLevel } = settings;
    if (charLevel) {
      // No tokeniser of sacreBLEU's does this, so its signature says "none": the text itself is changed.
      this.bleu = new SacreBleu({ tokenize: "none", lowercase });
      this.prepare = (line) => evaluationText(line, { tokenizer, charLevel, lowercase });
    } else {
      this.bleu = new SacreBleu({ tokenize: tokenizer, lowercase });
      this.prepare = (line) => line;
    }
  }

  add(reference: Segment, hypothesis: Segment): void {
    this.bleu.add(this.prepare(hypothesis.text), [this.prepare(reference.text)]);
  }

  result(): string {
    return formatBleu(this.bleu.score());
  }

  score(): number {
    return this.bleu.score().score;
  }

  signature(): string {
    return this.bleu.signature();
  }

  warning(): string | undefined {
    if (!this.bleu.looksTokenized) return undefined;
    return (
      "WARNING: 100 or more lines end in a period that stands alone: the output seems to be tokenised, " +
      "which may hurt the score; detokenise it, or say --sacrebleu-tokenizer none"
    );
  }
}

class ChrfScorer implements Scorer {
  private readonly chrf: Chrf;

  constructor(lowercase = false) {
    this.chrf = new Chrf({ lowercase });
  }

  add(reference: Segment, hypothesis: Segment): void {
    this.chrf.add(hypothesis.text, [reference.text]);
  }

  result(): string {
    return this.chrf.format();
  }

  score(): number {
    return this.chrf.score();
  }

  signature(): string {
    return this.chrf.signature();
  }
}
