// A bundle's model in our own kernels: what it is made of, and its output layer.
import type { Bundle } from "./bundle.ts";
import { Kernels } from "./kernels.ts";
import { LayerContext, Linear } from "./layers.ts";
import type { Architecture } from "./manifest.ts";
import { Scratch } from "./scratch.ts";
import { TransformerDecoder } from "./transformer_decoder.ts";
import { TransformerEncoder } from "./transformer_encoder.ts";
import { Weights } from "./weights.ts";

/** Logits computed at a time have at most this many numbers, or are of five rows. */
const LOGITS = 2 ** 19;

/** Rows of logits and what of them is wanted. */
export interface Selection {
  /** Rows in the order of the features. */
  readonly rows: number;
  /**
   * @param logits address of (count, V) logits; may be overwritten.
   * @param from the first of them among `rows`.
   */
  take(logits: number, from: number, count: number): void;
}

export class QuantisedModel {
  private constructor(
    readonly kernels: Kernels,
    readonly architecture: Architecture,
    readonly vocabulary: number,
    readonly encoder: TransformerEncoder,
    readonly decoder: TransformerDecoder,
    /** Of the weights alone. */
    readonly weightBytes: number,
    private readonly output: Linear,
    private readonly context: LayerContext,
    private readonly logits: Scratch,
  ) {}

  /**
   * @param module a build of kernels/quantised, compiled.
   * @param vocabularies symbols of the dictionaries.
   * @param limit most bytes of memory.
   * @throws UserError for a file that is damaged or tensors that do not fit the architecture.
   */
  static async load(
    bundle: Bundle,
    module: WebAssembly.Module,
    vocabularies: { readonly source: number; readonly target: number },
    limit?: number,
  ): Promise<QuantisedModel> {
    const { architecture } = bundle.manifest;
    const { source, target } = vocabularies;
    const kernels = await Kernels.open(module, limit);
    const weights = await Weights.load(bundle, kernels);
    const context = new LayerContext(kernels, weights);
    const { output_dim } = architecture.decoder;
    return new QuantisedModel(
      kernels,
      architecture,
      target,
      new TransformerEncoder(context, architecture, source),
      new TransformerDecoder(context, architecture, target),
      weights.bytes,
      new Linear(context, "decoder.output_projection", target, output_dim),
      context,
      new Scratch(kernels),
    );
  }

  /** Logits of all rows, some at a time; each of `selections` sees its own. @param features (M, output_dim). */
  project(features: number, selections: readonly Selection[]): void {
    const { output, vocabulary } = this;
    const total = selections.reduce((sum, { rows }) => sum + rows, 0);
    const most = Math.min(total, Math.max(5, 5 * Math.floor(LOGITS / vocabulary / 5)));
    const logits = this.logits.reserve(4 * most * vocabulary);
    for (let row = 0; row < total; row += most) {
      const count = Math.min(most, total - row);
      output.forward(features + 4 * output.inputs * row, count, logits);
      let begin = 0;
      for (const selection of selections) {
        const from = Math.max(row, begin);
        const to = Math.min(row + count, begin + selection.rows);
        if (from < to) {
          selection.take(logits + 4 * vocabulary * (from - row), from - begin, to - from);
        }
        begin += selection.rows;
      }
    }
  }

  release(): void {
    const { encoder, decoder, context, logits } = this;
    for (const part of [encoder, decoder, context, logits]) part.release();
  }
}
