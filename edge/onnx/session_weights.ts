// A bundle's tensors as the graphs want them: matrices transposed, 4-bit numbers as 8-bit ones.
import { UserError } from "../../src/config/user_error.ts";
import type { Bundle } from "../runtime/bundle.ts";
import type { TensorEntry } from "../runtime/manifest.ts";
import type { OrtModule } from "./ort_module.ts";
import { OrtTensor } from "./ort_tensor.ts";
import { ShardReader } from "./shard_reader.ts";
import { transpose } from "./transpose.ts";

/** Rows of matrices are padded to a multiple of this, in elements; a block of 4-bit numbers has so many. */
const BLOCK = 32;

export class SessionWeights {
  private readonly tensors = new Map<string, OrtTensor>();

  private constructor(
    private readonly module: OrtModule,
    private readonly tables: ReadonlySet<string>,
  ) {}

  /**
   * Reads the tensors of these names; tied ones lie in memory once.
   *
   * @param tables names of further ones, if there are any, that are read row by row, so not transposed.
   * @throws UserError for a file that is damaged, or a name that the bundle does not have.
   */
  static async load(
    bundle: Bundle,
    module: OrtModule,
    names: ReadonlySet<string>,
    tables: ReadonlySet<string>,
  ): Promise<SessionWeights> {
    const { tensors } = bundle.manifest;
    const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
    const missing = [...names].find((name) => !byName.has(name));
    if (missing !== undefined) throw missingTensor(bundle, missing);
    const weights = new SessionWeights(module, tables);
    const reader = new ShardReader(bundle);
    const placed = new Map<number, number>();
    // In the order of the shards, so that each is read once.
    const ordered = [...tensors].sort((a, b) => a.offset - b.offset);
    for (const tensor of ordered) {
      if (!names.has(tensor.name) && !tables.has(tensor.name)) continue;
      const known = placed.get(tensor.offset);
      if (known !== undefined) weights.place(tensor, known);
      else placed.set(tensor.offset, await weights.read(tensor, byName, reader));
    }
    return weights;
  }

  get(name: string): OrtTensor | undefined {
    return this.tensors.get(name);
  }

  entries(): Iterable<[string, OrtTensor]> {
    return this.tensors.entries();
  }

  release(): void {
    const addresses = new Set([...this.tensors.values()].map(({ address }) => address));
    for (const tensor of this.tensors.values()) tensor.release();
    for (const address of addresses) this.module.free(address);
    this.tensors.clear();
  }

  private async read(
    tensor: TensorEntry,
    byName: ReadonlyMap<string, TensorEntry>,
    reader: ShardReader,
  ): Promise<number> {
    const { name, dtype, shape } = tensor;
    let bytes = await reader.bytes(tensor.offset, tensor.bytes);
    if (dtype === "i4") {
      const step = byName.get(`${name}_step`);
      if (step === undefined) throw missingTensor(reader.bundle, `${name}_step`);
      bytes = expanded(bytes, await reader.bytes(step.offset, step.bytes));
    }
    const [rows, columns] = this.tables.has(name) ? [1, bytes.length / 4] : [...shape, 1];
    const address = this.module.allocate(rows * columns * (dtype === "f32" ? 4 : 1));
    // Views are taken after the allocation, which may have moved the memory's end.
    if (dtype !== "f32") {
      const target = this.module.bytesAt(address, rows * columns);
      transpose(bytes, rows, columns, Math.ceil(columns / BLOCK) * BLOCK, target);
    } else {
      const floats = new Float32Array(bytes.buffer);
      transpose(floats, rows, columns, columns, this.module.floatsAt(address, rows * columns));
    }
    this.place(tensor, address);
    return address;
  }

  private place({ name, dtype, shape }: TensorEntry, address: number): void {
    const type = dtype === "f32" ? "f32" : "i8";
    const given = this.tables.has(name) ? shape : [...shape].reverse();
    this.tensors.set(name, OrtTensor.over(this.module, type, given, address));
  }
}

/** For a tensor that the graphs need and the manifest does not list. */
function missingTensor(bundle: Bundle, name: string): UserError {
  return new UserError({
    place: `${bundle.place}/manifest.json`,
    problem: `has no tensor ${name}, which the graphs need`,
    remedy: "write the bundle anew with weft export",
  });
}

/** Blocks of 16 bytes with a step each, to 32 integers of 8 bits: (nibble - 8) * step. */
function expanded(nibbles: Uint8Array, steps: Uint8Array): Uint8Array<ArrayBuffer> {
  const numbers = new Uint8Array(2 * nibbles.length);
  for (const [block, step] of steps.entries()) {
    for (let i = 0; i < 16; i++) {
      const pair = nibbles[16 * block + i];
      numbers[BLOCK * block + i] = ((pair & 15) - 8) * step;
      numbers[BLOCK * block + 16 + i] = ((pair >> 4) - 8) * step;
    }
  }
  return numbers;
}
