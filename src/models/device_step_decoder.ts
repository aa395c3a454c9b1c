// The search's StepDecoder over a compiled model: key/value caches on the device, candidates chosen
// there, a few numbers per row brought back.
import type {
  DecoderState,
  DecodeStart,
  SourceBatch,
  StepDecoder,
} from "../decode/step_decoder.ts";
import type { Device } from "../device/device.ts";
import type { Span } from "../device/spans.ts";
import { DecodingWorkspace } from "./decoding_workspace.ts";
import { DeviceDecoderState } from "./device_decoder_state.ts";
import type { EncoderDecoderModel } from "./model.ts";
import { SelfAttentionCache } from "./self_attention_cache.ts";
import { SOURCE_WIDTH_MULTIPLE, SourceCache } from "./source_cache.ts";

export interface DeviceStepDecoderOptions {
  readonly vocabulary: number;
  readonly padding: number;
  /** When given, every run appends its spans. */
  readonly spans?: Span[];
}

/** Decodes one batch at a time: beginning another ends the one before. */
export class DeviceStepDecoder implements StepDecoder {
  readonly vocabulary: number;
  readonly maxPositions: number;
  private readonly caches: { readonly self: SelfAttentionCache; readonly source: SourceCache };
  private readonly workspace: DecodingWorkspace;

  constructor(
    private readonly device: Device,
    model: EncoderDecoderModel,
    private readonly options: DeviceStepDecoderOptions,
  ) {
    this.vocabulary = options.vocabulary;
    this.maxPositions = model.maxPositions.target;
    this.caches = {
      self: new SelfAttentionCache(device, model.cache),
      source: new SourceCache(device, model.cache),
    };
    this.workspace = new DecodingWorkspace(device, model, this.caches, options.spans);
  }

  async start(batch: SourceBatch, options: DecodeStart): Promise<DecoderState> {
    const { device, workspace, caches } = this;
    const { sentences } = batch;
    const { beam, temperature, attention } = options;
    const multiple = SOURCE_WIDTH_MULTIPLE;
    const width = Math.ceil(batch.width / multiple) * multiple;
    caches.self.fit(sentences * beam, (options.maxLength ?? 0) + 1);
    caches.source.fit(sentences, width);
    // What the batch before left open: steps are not held up by measuring.
    await device.tune?.();
    workspace.encode({ data: this.widen(batch, width), shape: [sentences, width] });
    const { vocabulary, padding } = this.options;
    const shown = attention && width > 0 ? { sentences, width } : undefined;
    const kind = { beam, temperature, shown };
    const sizes = sizesPerDoubling(device);
    const parts = { workspace, cache: caches.self, kind, width, vocabulary, padding, sizes };
    return new DeviceDecoderState(batch, parts);
  }

  /** Frees all device memory. */
  close(): void {
    this.workspace.release();
    this.caches.self.release();
    this.caches.source.release();
  }

  /** Adds columns of padding on the left, which positions and attention pass over. */
  private widen({ tokens, sentences, width }: SourceBatch, wider: number): Int32Array {
    if (wider === width) return tokens;
    const result = new Int32Array(sentences * wider).fill(this.options.padding);
    for (let row = 0; row < sentences; row++) {
      const from = tokens.subarray(row * width, (row + 1) * width);
      result.set(from, row * wider + wider - width);
    }
    return result;
  }
}

/** How many numbers of sentences have a plan: a GPU's plans cost more to make than rows that idle. */
const sizesPerDoubling = ({ kind }: Device): number => (kind === "cpu" ? 16 : 4);
