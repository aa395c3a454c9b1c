// What decoding steps need of the encoded sources: each layer's keys and values, and which positions are
// padding. Every sentence of a batch has a slot and keeps it; steps name the slots, so sentences that are
// done leave the batch without anything being moved, and no plan depends on the sources' width.
import { gatherRows, permute } from "../../kernels/movement/index.ts";
import type { Device } from "../device/device.ts";
import { assign, readVariable } from "../engine/trace.ts";
import type { KeysAndValues } from "../nn/multihead_attention.ts";
import { f32, i32 } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Variable } from "../tensor/variable.ts";
import type { EncodedSource } from "./model.ts";
import type { KeyValueVariables } from "./self_attention_cache.ts";

/** Widths are multiples of it, as sourceAttention() demands. */
export const SOURCE_WIDTH_MULTIPLE = 8;

/**
 * Where a device gives memory only to what is written, the cache has this much address space from the
 * start: enough for most sets, so that it rarely grows and plans are rarely made again. Elsewhere it
 * doubles up to here. Beyond, it has what a batch needs.
 */
const FIRST_BYTES = 2 ** 27;

/** Bound of the widths at first; it doubles when a source is longer. */
const FIRST_WIDEST = 256;

export class SourceCache {
  /** No source is wider. */
  widest = FIRST_WIDEST;
  /** Changes whenever variables are replaced or `widest` grows: what was compiled before is then of no use. */
  version = 0;
  /** N: positions that all slots have together. */
  private positions = 0;
  /** Per layer, (N C): slots of (C, S) keys and (S, C) values, S being the width of the batch. */
  private layers: KeyValueVariables[] = [];
  /** i32 (N). */
  private padding = new Variable("source padding", i32(0));

  constructor(
    private readonly device: Device,
    private readonly size: { readonly layers: number; readonly width: number },
  ) {}

  /** Makes room for a batch; what the one before held may be lost. */
  fit(sentences: number, width: number): void {
    const wanted = Math.max(1, sentences * width);
    if (width <= this.widest && wanted <= this.positions) return;
    while (this.widest < width) this.widest *= 2;
    this.version++;
    if (wanted <= this.positions) return;
    this.free();
    const { layers, width: C } = this.size;
    const ample = Math.floor(FIRST_BYTES / (8 * Math.max(1, layers) * C));
    const first = this.device.kind === "cpu" ? ample : Math.min(2 * this.positions, ample);
    this.positions = Math.max(wanted, first);
    const spec = f32(this.positions * C);
    this.layers = Array.from({ length: layers }, (_, layer) => ({
      keys: new Variable(`cross.${layer}.keys`, spec),
      values: new Variable(`cross.${layer}.values`, spec),
    }));
    this.padding = new Variable("source padding", i32(this.positions));
  }

  /** Keeps an encoded batch, in the first slots. */
  store({ cross, padding }: EncodedSource): void {
    const [B, S] = padding.shape;
    const { width: C } = this.size;
    for (const [layer, { keys, values }] of cross.entries()) {
      const own = this.layers[layer];
      const transposed = permute(keys, [0, 2, 1]); // (B, C, S)
      assign(own.keys.view(own.keys.name, [B, C, S], 0), transposed);
      assign(own.values.view(own.values.name, [B, S, C], 0), values);
    }
    assign(this.padding.view(this.padding.name, [B, S], 0), padding);
  }

  /** A layer's keys and values of all slots, each (N C). */
  read(layer: number): KeysAndValues {
    const { keys, values } = this.layers[layer];
    return { keys: readVariable(keys), values: readVariable(values) };
  }

  /** i32 (N). */
  readPadding(): Tensor {
    return readVariable(this.padding);
  }

  /** A layer's keys of the named slots, (B, S, C). @param sentences slots in use, S wide each. */
  keysOf(layer: number, slots: Tensor, sentences: number, S: number): Tensor {
    const { keys } = this.layers[layer];
    const view = keys.view(keys.name, [sentences, this.size.width, S], 0);
    return permute(gatherRows(readVariable(view), slots), [0, 2, 1]); // (B, C, S) -> (B, S, C)
  }

  /** i32 (B, S). */
  paddingOf(slots: Tensor, sentences: number, S: number): Tensor {
    return gatherRows(readVariable(this.padding.view(this.padding.name, [sentences, S], 0)), slots);
  }

  release(): void {
    this.version++;
    this.free();
    this.positions = 0;
  }

  private free(): void {
    for (const { keys, values } of this.layers) {
      this.device.free(keys);
      this.device.free(values);
    }
    this.device.free(this.padding);
    this.layers = [];
  }
}
