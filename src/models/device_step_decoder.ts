// The search's StepDecoder over a compiled model: key/value caches on the device, candidates chosen
// there, a few numbers per row brought back.
import type {
  DecoderState,
  DecodeStart,
  SourceBatch,
  StepDecoder,
} from "../decode/step_decoder.ts";
import type { Device, Span } from "../device/device.ts";
import { DecodingWorkspace, type WorkspaceShape } from "./decoding_workspace.ts";
import { DeviceDecoderState } from "./device_decoder_state.ts";
import type { EncoderDecoderModel } from "./model.ts";
import { SelfAttentionCache } from "./self_attention_cache.ts";

/** Source widths are rounded up to this, so that workspaces and plans serve more batches. */
const WIDTH_MULTIPLE = 8;

/** Workspaces are kept while together they need no more than this. */
const WORKSPACE_BYTES = 2 ** 30;

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
  private readonly cache: SelfAttentionCache;
  /** In order of use. */
  private readonly workspaces = new Map<string, DecodingWorkspace>();

  constructor(
    private readonly device: Device,
    private readonly model: EncoderDecoderModel,
    private readonly options: DeviceStepDecoderOptions,
  ) {
    this.vocabulary = options.vocabulary;
    this.maxPositions = model.maxPositions.target;
    this.cache = new SelfAttentionCache(device, model.cache);
  }

  async start(batch: SourceBatch, options: DecodeStart): Promise<DecoderState> {
    const { sentences } = batch;
    const { beam, temperature, attention } = options;
    const width = Math.ceil(batch.width / WIDTH_MULTIPLE) * WIDTH_MULTIPLE;
    const workspace = this.workspaceFor({ width, beam, temperature, attention }, sentences);
    this.cache.fit(sentences * beam, (options.maxLength ?? 0) + 1);
    workspace.encode({ data: this.widen(batch, width), shape: [sentences, width] });
    const { vocabulary, padding } = this.options;
    return new DeviceDecoderState(batch, { workspace, cache: this.cache, vocabulary, padding });
  }

  /** Frees all device memory. */
  close(): void {
    for (const workspace of this.workspaces.values()) workspace.release();
    this.workspaces.clear();
    this.cache.release();
  }

  private workspaceFor(shape: WorkspaceShape, sentences: number): DecodingWorkspace {
    const key = Object.values(shape).join();
    let workspace = this.workspaces.get(key);
    this.workspaces.delete(key);
    if (!workspace || workspace.sentences < sentences) {
      workspace?.release();
      const { device, model, cache, options } = this;
      workspace = new DecodingWorkspace(device, model, cache, sentences, shape, options.spans);
      this.makeRoom(workspace.bytes);
    }
    this.workspaces.set(key, workspace);
    return workspace;
  }

  private makeRoom(bytes: number): void {
    let total = bytes;
    for (const workspace of this.workspaces.values()) total += workspace.bytes;
    for (const [key, workspace] of this.workspaces) {
      if (total <= WORKSPACE_BYTES) return;
      total -= workspace.bytes;
      workspace.release();
      this.workspaces.delete(key);
    }
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
