// The decoder's keys and values of what was said so far. One set serves all batches of a decoder, so
// that memory is touched and enlarged once and not for every batch.
import { cacheStore, pad } from "../../kernels/movement/index.ts";
import type { Device } from "../device/device.ts";
import { compile } from "../engine/compile.ts";
import { assign, readVariable } from "../engine/trace.ts";
import type { KeysAndValues } from "../nn/multihead_attention.ts";
import { f32 } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Variable } from "../tensor/variable.ts";

/** Positions that a fresh cache has room for; it doubles when a sentence grows longer. */
const FIRST_POSITIONS = 32;

/**
 * Where a device gives memory only to what is written, a cache has room for the longest outputs at once,
 * as long as it needs no more address space than this: then it never moves, and no plan is made again.
 */
const LARGEST_AT_ONCE = 2 ** 28;

export interface KeyValueVariables {
  readonly keys: Variable;
  readonly values: Variable;
}

export class SelfAttentionCache {
  /** L: positions per row. */
  positions = FIRST_POSITIONS;
  /** Changes whenever variables are replaced: what was compiled over them is then of no use. */
  version = 0;
  private rows = 0;
  /** Per layer, (rows, L, C). */
  private layers: KeyValueVariables[] = [];

  constructor(
    private readonly device: Device,
    private readonly size: { readonly layers: number; readonly width: number },
  ) {}

  /**
   * Makes room for that many rows; what they held is lost if there was none.
   *
   * @param positions how long the rows may grow.
   */
  fit(rows: number, positions: number): void {
    if (rows <= this.rows) return;
    this.release();
    this.rows = rows;
    const perPosition = 8 * this.size.layers * this.size.width * rows;
    const affordable = Math.floor(LARGEST_AT_ONCE / perPosition);
    const first = this.device.kind === "cpu" ? Math.min(positions, affordable) : 0;
    this.positions = Math.max(this.positions, FIRST_POSITIONS, first);
    this.layers = this.allocate();
  }

  /** Makes room for that many positions, keeping what there is. */
  reserve(positions: number): void {
    while (this.positions < positions) this.grow();
  }

  /** A layer's keys and values in all rows. */
  read(layer: number): KeysAndValues {
    const { keys, values } = this.layers[layer];
    return { keys: readVariable(keys), values: readVariable(values) };
  }

  /** Writes a step's keys and values (R, C) at a position of the first R rows; returns all. */
  store(layer: number, added: KeysAndValues, position: Tensor): KeysAndValues {
    const { keys, values } = this.layers[layer];
    const stored = {
      keys: cacheStore(readVariable(keys), added.keys, position),
      values: cacheStore(readVariable(values), added.values, position),
    };
    assign(keys, stored.keys);
    assign(values, stored.values);
    return stored;
  }

  release(): void {
    this.version++;
    this.free(this.layers);
    this.layers = [];
    this.rows = 0;
  }

  private allocate(): KeyValueVariables[] {
    const { layers, width } = this.size;
    const spec = f32(this.rows, this.positions, width);
    return Array.from({ length: layers }, (_, layer) => ({
      keys: new Variable(`self.${layer}.keys`, spec),
      values: new Variable(`self.${layer}.values`, spec),
    }));
  }

  private free(layers: readonly KeyValueVariables[]): void {
    for (const { keys, values } of layers) {
      this.device.free(keys);
      this.device.free(values);
    }
  }

  private grow(): void {
    const old = this.layers;
    const added = this.positions;
    this.positions *= 2;
    this.version++;
    this.layers = this.allocate();
    const enlarge = compile(this.device, "enlarge caches", () => {
      for (const [layer, { keys, values }] of this.layers.entries()) {
        assign(keys, pad(readVariable(old[layer].keys), 1, 0, added));
        assign(values, pad(readVariable(old[layer].values), 1, 0, added));
      }
      return {};
    });
    enlarge({});
    enlarge.release();
    this.free(old);
  }
}
