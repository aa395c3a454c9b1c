// The tensors of a batch that is being decoded, and a step of the decoder over them.
import type { StepInput } from "../../src/decode/step_decoder.ts";
import { writeBias } from "../../src/decode/token_rules.ts";
import { Ancestry } from "./ancestry.ts";
import { HeadCaches } from "./head_caches.ts";
import type { ElementType } from "./model_file.ts";
import type { OnnxBatch, OutputName, StepOutputs, WantedOutputs } from "./onnx_backend.ts";
import type { OnnxModel } from "./onnx_model.ts";
import { OrtTensor } from "./ort_tensor.ts";

/** Slots of the caches of what was said, at first; they double when they are full. */
const SLOTS = 32;

export class DecoderBatch implements OnnxBatch {
  /** Tokens of each sentence that lives. */
  private lengths: readonly number[];
  /** L */
  private readonly longest: number;
  private readonly cross: HeadCaches;
  private readonly past: HeadCaches;
  private readonly ancestry: Ancestry;

  /** @param sources without padding. @param beam rows of each. */
  constructor(
    private readonly model: OnnxModel,
    sources: readonly Int32Array[],
    private readonly beam: number,
  ) {
    const { layers, attention_heads: heads, embed_dim } = model.architecture.decoder;
    this.lengths = sources.map(({ length }) => length);
    this.longest = Math.max(1, ...this.lengths);
    const shape = { heads, width: embed_dim / heads };
    const rows = sources.length * beam;
    const caches = (of: number, slots: number) =>
      new HeadCaches(model.module, 2 * layers, { ...shape, rows: of, slots });
    this.cross = caches(sources.length, this.longest);
    this.past = caches(rows, SLOTS);
    this.ancestry = new Ancestry(rows, beam, SLOTS);
    try {
      for (const [i, source] of sources.entries()) this.encode(i, source);
    } catch (error) {
      this.release();
      throw error;
    }
  }

  /** A run blocks the thread. */
  async step(input: StepInput, wanted: WantedOutputs): Promise<StepOutputs> {
    const { step, rows, reorder, keptSentences } = input;
    if (keptSentences) this.keep(keptSentences);
    if (step >= this.past.slots) this.past.widen(2 * this.past.slots);
    this.ancestry.advance(step, rows, reorder, this.past.slots);
    const given = this.inputs(input, wanted);
    const { decoder } = this.model;
    try {
      for (const [name, tensor] of Object.entries(given)) decoder.bind(name, tensor);
      this.bindCaches();
      return copies(wanted.outputs, decoder.run(wanted.outputs));
    } finally {
      for (const tensor of Object.values(given)) tensor.release();
    }
  }

  release(): void {
    this.cross.release();
    this.past.release();
  }

  private encode(sentence: number, source: Int32Array): void {
    const encoded = this.model.encode(source);
    this.cross.write(sentence, encoded.address, source.length);
    encoded.release();
  }

  private keep(kept: Int32Array): void {
    this.lengths = Array.from(kept, (i) => this.lengths[i]);
    this.cross.keep(kept, 1);
    this.past.keep(kept, this.beam);
  }

  /** Keys and values; what was said is written in place, so its tensors are outputs too. */
  private bindCaches(): void {
    const { decoder } = this.model;
    const name = (n: number): string => `${n % 2 === 0 ? "key" : "value"}_${n >> 1}`;
    for (const [n, tensor] of this.cross.tensors.entries()) {
      decoder.bind(`cross_${name(n)}`, tensor);
    }
    for (const [n, tensor] of this.past.tensors.entries()) {
      decoder.bind(`self_${name(n)}`, tensor);
      decoder.bindOutput(`next_self_${name(n)}`, tensor);
    }
  }

  /** What only this step needs. */
  private inputs(input: StepInput, wanted: WantedOutputs): Record<string, OrtTensor> {
    const { model, beam, lengths, longest } = this;
    const make = (type: ElementType, shape: number[]) => OrtTensor.make(model.module, type, shape);
    const B = lengths.length;
    const given = {
      tokens: make("i32", [input.rows]),
      past: make("i32", [1]),
      beam: make("i32", [1]),
      ancestors: make("i32", [B, beam, this.past.slots]),
      source_mask: make("i32", [B, longest]),
      inverse_temperature: make("f32", []),
      token_bias: make("f32", [model.vocabulary]),
      count: make("i64", [1]),
      positions: model.decoderPositions.rows(input.step, 1),
    };
    // Written once all are made: making one may move the end of the memory, which ends views.
    given.tokens.integers.set(input.tokens);
    given.past.integers[0] = input.step;
    given.beam.integers[0] = beam;
    given.ancestors.integers.set(this.ancestry.numbers);
    given.inverse_temperature.floats[0] = 1 / wanted.temperature;
    given.count.words.set([wanted.count, 0]);
    const mask = given.source_mask.integers.fill(0);
    for (const [i, length] of lengths.entries()) {
      mask.fill(1, i * longest, i * longest + length);
    }
    if (wanted.rules) writeBias(given.token_bias.floats, wanted.rules);
    else given.token_bias.floats.fill(0);
    return given;
  }
}

/** What the results hold; they are released. */
function copies(names: readonly OutputName[], results: readonly OrtTensor[]): StepOutputs {
  const floats = (name: OutputName): Float32Array =>
    results[names.indexOf(name)]?.floats.slice() ?? new Float32Array();
  const candidates = results[names.indexOf("candidates")];
  // Of 64 bits, of which the lower half says all.
  const tokens = candidates?.words.filter((_, i) => i % 2 === 0) ?? new Int32Array();
  const outputs = {
    logProbs: floats("log_probs"),
    scores: floats("scores"),
    candidates: tokens,
    attention: floats("attention"),
  };
  for (const result of results) result.release();
  return outputs;
}
