import type {
  CandidateRequest,
  DecoderState,
  DecodeStart,
  RowCandidates,
  SourceBatch,
  StepInput,
  StepRows,
} from "../../src/decode/step_decoder.ts";
import { rowCandidates } from "../../src/decode/token_rules.ts";
import type { OnnxBatch, StepOutputs, WantedOutputs } from "./onnx_backend.ts";
import type { OnnxStepDecoder } from "./onnx_step_decoder.ts";

/** A sentence: how many tokens it has, and where they begin in the batch's width. */
interface Sentence {
  readonly length: number;
  readonly start: number;
}

/** A batch that is being searched. */
export class OnnxState implements DecoderState {
  private isClosed = false;

  private constructor(
    private readonly decoder: OnnxStepDecoder,
    private readonly batch: SourceBatch,
    private readonly options: DecodeStart,
    private sentences: readonly Sentence[],
    private readonly tensors: OnnxBatch,
  ) {}

  /** Encodes the batch. */
  static async begin(
    decoder: OnnxStepDecoder,
    batch: SourceBatch,
    options: DecodeStart,
    padding: number,
  ): Promise<OnnxState> {
    const { width, tokens, sentences } = batch;
    const rows = Array.from({ length: sentences }, (_, i) =>
      tokens.subarray(i * width, (i + 1) * width),
    );
    const sources = rows.map((row) => row.filter((token) => token !== padding));
    const places = rows.map((row, i) => ({
      length: sources[i].length,
      start: row.findIndex((token) => token !== padding),
    }));
    const tensors = await decoder.model.begin(sources, options.beam);
    return new OnnxState(decoder, batch, options, places, tensors);
  }

  async step(input: StepInput): Promise<StepRows> {
    const unruled = { count: 1, rules: undefined };
    const { logProbs, attention } = await this.run(input, { ...unruled, outputs: ["log_probs"] });
    return { logProbs, attention };
  }

  async candidates(input: StepInput, request: CandidateRequest): Promise<RowCandidates> {
    const { vocabulary } = this.decoder;
    const { rules } = request;
    if (rules.forced || rules.rowBans) {
      // Rules that differ from row to row are applied to whole rows.
      const { logProbs, attention } = await this.step(input);
      return { ...rowCandidates(logProbs, input.rows, vocabulary, request), attention };
    }
    const count = Math.min(request.count, vocabulary);
    const chosen = await this.run(input, { count, rules, outputs: ["scores", "candidates"] });
    return { ...gather(chosen, count, request), attention: chosen.attention };
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.tensors.release();
    this.decoder.forget(this);
  }

  private async run(
    input: StepInput,
    wanted: Omit<WantedOutputs, "temperature">,
  ): Promise<Omit<StepOutputs, "attention"> & { attention: Float32Array | undefined }> {
    await this.decoder.turn();
    this.assertOpen();
    const { attention: isShown, temperature } = this.options;
    if (input.keptSentences) {
      this.sentences = Array.from(input.keptSentences, (i) => this.sentences[i]);
    }
    const outputs = isShown ? [...wanted.outputs, "attention" as const] : wanted.outputs;
    const results = await this.tensors.step(input, { ...wanted, outputs, temperature });
    this.assertOpen();
    return { ...results, attention: isShown ? this.padded(results.attention) : undefined };
  }

  private assertOpen(): void {
    this.decoder.assertOpen();
    if (this.isClosed) throw new Error("the batch was closed");
  }

  /** Attention (B, K, L) as the search counts it: (rows, S) over the padded source. */
  private padded(weights: Float32Array): Float32Array {
    const { width } = this.batch;
    const { beam } = this.options;
    const rows = this.sentences.length * beam;
    const longest = weights.length / rows;
    const padded = new Float32Array(rows * width);
    for (const [i, { start, length }] of this.sentences.entries()) {
      for (let row = i * beam; row < (i + 1) * beam; row++) {
        padded.set(weights.subarray(row * longest, row * longest + length), row * width + start);
      }
    }
    return padded;
  }
}

/** What the graph chose, with the scores of the rows added. @param k candidates of each row. */
function gather(
  { scores, candidates }: Pick<StepOutputs, "scores" | "candidates">,
  k: number,
  request: CandidateRequest,
): RowCandidates {
  const { count, scores: before } = request;
  const rows = scores.length / k;
  const chosen = {
    scores: new Float32Array(rows * count).fill(Number.NEGATIVE_INFINITY),
    tokens: new Int32Array(rows * count),
  };
  for (let row = 0; row < rows; row++) {
    for (let c = 0; c < k; c++) {
      chosen.scores[row * count + c] = scores[row * k + c] + before[row]; // in float32, as the search adds
      chosen.tokens[row * count + c] = candidates[row * k + c];
    }
  }
  return chosen;
}
