// A bundle's tensors in the kernels' memory.
import { UserError } from "../../src/config/user_error.ts";
import type { Bundle } from "./bundle.ts";
import type { Kernels } from "./kernels.ts";
import type { Dtype, TensorEntry } from "./manifest.ts";

/** A tensor where kernels find it. */
export interface PlacedTensor {
  readonly address: number;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
}

export class Weights {
  private constructor(
    private readonly base: number,
    private readonly tensors: ReadonlyMap<string, TensorEntry>,
    private readonly place: string,
    /** Of all shards. */
    readonly bytes: number,
  ) {}

  /** Copies shard after shard, so that never more than one of them lies outside. @throws UserError. */
  static async load(bundle: Bundle, kernels: Kernels): Promise<Weights> {
    const { shards, files, tensors } = bundle.manifest;
    const bytes = shards.reduce((sum, name) => sum + files[name].bytes, 0);
    const base = kernels.heap.allocate(bytes);
    let at = base;
    for (const name of shards) {
      const shard = await bundle.read(name);
      kernels.bytesAt(at, shard.length).set(shard);
      at += shard.length;
    }
    const integers = tensors.filter(({ dtype }) => dtype === "i8");
    for (const [offset, size] of new Map(integers.map((each) => [each.offset, each.bytes]))) {
      kernels.run.prepare_i8(base + offset, size);
    }
    const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
    return new Weights(base, byName, bundle.place, bytes);
  }

  has(name: string): boolean {
    return this.tensors.has(name);
  }

  /** @throws UserError if the bundle has no such tensor, or one of another shape. */
  get(name: string, shape: readonly number[]): PlacedTensor {
    const tensor = this.tensors.get(name);
    const given = tensor?.shape.join(" x ");
    if (tensor === undefined || given !== shape.join(" x ")) {
      throw new UserError({
        place: `${this.place}/manifest.json`,
        problem: `tensor ${name} is ${given ?? "missing"}, the architecture needs ${shape.join(" x ")}`,
        remedy: "write the bundle anew with weft export",
      });
    }
    return { address: this.base + tensor.offset, dtype: tensor.dtype, shape };
  }

  /** Address of a float32 tensor. @throws UserError likewise, and for one of another dtype. */
  floats(name: string, shape: readonly number[]): number {
    const { address, dtype } = this.get(name, shape);
    if (dtype === "f32") return address;
    throw new UserError({
      place: `${this.place}/manifest.json`,
      problem: `tensor ${name} is ${dtype}, must be f32`,
      remedy: "write the bundle anew with weft export",
    });
  }
}
