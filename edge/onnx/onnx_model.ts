import type { Bundle } from "../runtime/bundle.ts";
import type { Architecture } from "../runtime/manifest.ts";
import { DecoderBatch } from "./decoder_batch.ts";
import type { OnnxBackend, OnnxBatch } from "./onnx_backend.ts";
import { type OnnxRuntime, OrtModule } from "./ort_module.ts";
import { OrtSession } from "./ort_session.ts";
import { OrtTensor } from "./ort_tensor.ts";
import { PositionRows } from "./position_rows.ts";
import { SessionWeights } from "./session_weights.ts";

/** A bundle's graphs and weights in the memory of ONNX Runtime's wasm. */
export class OnnxModel implements OnnxBackend {
  readonly name = "onnxruntime-web on WebAssembly";

  private constructor(
    readonly module: OrtModule,
    readonly architecture: Architecture,
    /** V of the target. */
    readonly vocabulary: number,
    readonly encoder: OrtSession,
    readonly decoder: OrtSession,
    private readonly weights: SessionWeights,
    private readonly encoderPositions: PositionRows,
    readonly decoderPositions: PositionRows,
  ) {}

  /** @throws UserError for a file that is damaged, or graphs and tensors that do not fit each other. */
  static async load(bundle: Bundle, runtime: OnnxRuntime, vocabulary: number): Promise<OnnxModel> {
    const { architecture, onnx } = bundle.manifest;
    const module = await OrtModule.open(runtime);
    const encoder = OrtSession.create(module, await bundle.read(onnx.encoder));
    const decoder = OrtSession.create(module, await bundle.read(onnx.decoder));
    // Parameters have a dot in their names, what a run gives has none.
    const inputs = [...encoder.inputNames, ...decoder.inputNames];
    const names = new Set(inputs.filter((name) => name.includes(".")));
    const tableOf = (side: string): string => `${side}.embed_positions.weight`;
    const tables = new Set(["encoder", "decoder"].map(tableOf));
    const weights = await SessionWeights.load(bundle, module, names, tables);
    for (const [name, tensor] of weights.entries()) {
      encoder.bind(name, tensor);
      decoder.bind(name, tensor);
    }
    const positions = (side: "encoder" | "decoder") =>
      new PositionRows(module, architecture[side], weights.get(tableOf(side)));
    return new OnnxModel(
      ...([module, architecture, vocabulary, encoder, decoder, weights] as const),
      positions("encoder"),
      positions("decoder"),
    );
  }

  get memory(): OrtModule["memory"] {
    return this.module.memory;
  }

  async begin(sources: readonly Int32Array[], beam: number): Promise<OnnxBatch> {
    return new DecoderBatch(this, sources, beam);
  }

  /**
   * @param tokens (S), without padding.
   * @returns (2 layers H, S, D), see encoder_graph.ts. The caller's to release.
   */
  encode(tokens: Int32Array): OrtTensor {
    const { module, encoder } = this;
    const given = OrtTensor.make(module, "i32", [tokens.length]);
    given.integers.set(tokens);
    const positions = this.encoderPositions.rows(0, tokens.length);
    try {
      encoder.bind("tokens", given);
      encoder.bind("positions", positions);
      const [cross] = encoder.run(["cross"]);
      return cross;
    } finally {
      positions.release();
      given.release();
    }
  }

  release(): void {
    for (const part of [this.encoder, this.decoder, this.weights]) part.release();
    for (const part of [this.encoderPositions, this.decoderPositions]) part.release();
  }
}
