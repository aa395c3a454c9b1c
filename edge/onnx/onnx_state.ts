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
import { DecoderBatch, type WantedOutputs } from "./decoder_batch.ts";
import type { OnnxStepDecoder } from "./onnx_step_decoder.ts";
import type { OrtTensor } from "./ort_tensor.ts";

/** A sentence: how many tokens it has, and where they begin in the batch's width. */
interface Sentence {
  readonly length: number;
  readonly start: number;
}

/** A batch that is being searched. */
export class OnnxState implements DecoderState {
  private readonly tensors: DecoderBatch;
  private sentences: readonly Sentence[];
  private isClosed = false;

  constructor(
    private readonly decoder: OnnxStepDecoder,
    private readonly batch: SourceBatch,
    private readonly options: DecodeStart,
    padding: number,
  ) {
    const { width, tokens, sentences } = batch;
    const rows = Array.from({ length: sentences }, (_, i) =>
      tokens.subarray(i * width, (i + 1) * width),
    );
    const sources = rows.map((row) => row.filter((token) => token !== padding));
    this.sentences = rows.map((row, i) => ({
      length: sources[i].length,
      start: row.findIndex((token) => token !== padding),
    }));
    this.tensors = new DecoderBatch(decoder.model, sources, options.beam);
  }

  async step(input: StepInput): Promise<StepRows> {
    const unruled = { count: 1, rules: undefined };
    const { results, attention } = await this.run(input, { ...unruled, outputs: ["log_probs"] });
    const [logProbs] = results;
    const copy = logProbs.floats.slice();
    logProbs.release();
    return { logProbs: copy, attention };
  }

  async candidates(input: StepInput, request: CandidateRequest): Promise<RowCandidates> {
    const { vocabulary } = this.decoder;
    const { count, rules } = request;
    if (rules.forced || rules.rowBans) {
      // Rules that differ from row to row are applied to whole rows.
      const { logProbs, attention } = await this.step(input);
      return { ...rowCandidates(logProbs, input.rows, vocabulary, request), attention };
    }
    const wanted = { count: Math.min(count, vocabulary), rules, outputs: ["scores", "candidates"] };
    const { results, attention } = await this.run(input, wanted);
    const [scores, tokens] = results;
    const chosen = gather(scores, tokens, request);
    for (const result of results) result.release();
    return { ...chosen, attention };
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
  ): Promise<{ results: OrtTensor[]; attention: Float32Array | undefined }> {
    await this.decoder.turn();
    if (this.isClosed) throw new Error("the batch was closed");
    const { attention: isShown, temperature } = this.options;
    if (input.keptSentences) {
      this.sentences = Array.from(input.keptSentences, (i) => this.sentences[i]);
    }
    const outputs = isShown ? [...wanted.outputs, "attention"] : wanted.outputs;
    const results = this.tensors.step(input, { ...wanted, outputs, temperature });
    if (!isShown) return { results, attention: undefined };
    const [shown] = results.splice(-1);
    const attention = this.padded(shown);
    shown.release();
    return { results, attention };
  }

  /** Attention (B, K, L) as the search counts it: (rows, S) over the padded source. */
  private padded(shown: OrtTensor): Float32Array {
    const { width } = this.batch;
    const { beam } = this.options;
    const longest = shown.shape[2];
    const weights = shown.floats;
    const padded = new Float32Array(this.sentences.length * beam * width);
    for (const [i, { start, length }] of this.sentences.entries()) {
      for (let row = i * beam; row < (i + 1) * beam; row++) {
        padded.set(weights.subarray(row * longest, row * longest + length), row * width + start);
      }
    }
    return padded;
  }
}

/** What the graph chose, with the scores of the rows added. @param tokens of 64 bits. */
function gather(scores: OrtTensor, tokens: OrtTensor, request: CandidateRequest): RowCandidates {
  const { count, scores: before } = request;
  const [rows, k] = scores.shape;
  const best = scores.floats;
  const which = tokens.words;
  const chosen = {
    scores: new Float32Array(rows * count).fill(Number.NEGATIVE_INFINITY),
    tokens: new Int32Array(rows * count),
  };
  for (let row = 0; row < rows; row++) {
    for (let c = 0; c < k; c++) {
      chosen.scores[row * count + c] = best[row * k + c] + before[row]; // in float32, as the search adds
      chosen.tokens[row * count + c] = which[2 * (row * k + c)];
    }
  }
  return chosen;
}
