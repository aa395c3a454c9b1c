// The search's StepDecoder over ONNX Runtime. All rows of a run have said equally much, so searches that go
// on at the same time take turns, each with caches of its own.
import type {
  DecoderState,
  DecodeStart,
  SourceBatch,
  StepDecoder,
} from "../../src/decode/step_decoder.ts";
import { nextTurn } from "../runtime/turn.ts";
import type { OnnxBackend } from "./onnx_backend.ts";
import { OnnxState } from "./onnx_state.ts";

export class OnnxStepDecoder implements StepDecoder {
  readonly vocabulary: number;
  readonly maxPositions: number;
  private readonly states = new Set<OnnxState>();
  private isClosed = false;

  /** @param padding the dictionaries' padding. */
  constructor(
    readonly model: OnnxBackend,
    private readonly padding: number,
  ) {
    this.vocabulary = model.vocabulary;
    this.maxPositions = model.architecture.decoder.max_positions;
  }

  async start(batch: SourceBatch, options: DecodeStart): Promise<DecoderState> {
    await this.turn();
    const state = await OnnxState.begin(this, batch, options, this.padding);
    this.states.add(state);
    if (this.isClosed) state.close();
    this.assertOpen();
    return state;
  }

  /** Lets everything else have its turn. @throws Error if the model was closed meanwhile. */
  async turn(): Promise<void> {
    await nextTurn();
    this.assertOpen();
  }

  /** @throws Error if the model was closed. */
  assertOpen(): void {
    if (this.isClosed) throw new Error("the model was closed");
  }

  forget(state: OnnxState): void {
    this.states.delete(state);
  }

  /** Frees the model; steps that are waited for are rejected. */
  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    for (const state of [...this.states]) state.close();
    this.model.release();
  }
}
