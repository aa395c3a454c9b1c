import { UserError } from "../config/user_error.ts";
import { writeSafetensors } from "../interop/safetensors.ts";
import { elementCount, type StoredTensor, toFloat32, toNumbers } from "../interop/stored_tensor.ts";
import { writeCheckpoint } from "./checkpoint_file.ts";
import { replaceFile } from "./checkpoint_replace.ts";
import { FAIRSEQ_KEY, loadStoredWeights, type StoredWeights } from "./checkpoint_weights.ts";

/**
 * The mean of the parameters of several checkpoints; everything else is the first one's. Sums are
 * float64. float32 and float64 keep their dtype, half precision becomes float32, integers are
 * divided with their fraction dropped downwards, as by fairseq's scripts/average_checkpoints.py.
 *
 * @param paths files of any format that loadWeights reads; at least one.
 * @param onRead called after each file, for a progress bar.
 * @throws UserError naming the file whose parameters are others than the first one's.
 */
export function averageParameters(
  paths: readonly string[],
  onRead: (path: string) => void = () => {},
): StoredWeights {
  const [firstPath = "", ...others] = paths;
  const first = loadStoredWeights(firstPath);
  const sums = new Map<string, Sum>();
  for (const [name, tensor] of first.tensors) sums.set(name, new Sum(tensor));
  onRead(firstPath);
  for (const path of others) {
    const { tensors } = loadStoredWeights(path);
    refuseOtherNames(first.tensors, tensors, path, firstPath);
    for (const [name, tensor] of tensors) {
      const sum = sums.get(name);
      if (!sum?.fits(tensor)) {
        throw unlike(path, firstPath, `${name} has shape [${tensor.shape}], not [${sum?.shape}]`);
      }
      sum.add(tensor);
    }
    onRead(path);
  }
  const means = [...sums].map(([name, sum]) => [name, sum.mean(paths.length)] as const);
  return { ...first, tensors: new Map(means) };
}

/** Writes averaged parameters with what the first checkpoint said about itself, but no moments. */
export async function writeAverage(path: string, average: StoredWeights): Promise<void> {
  const entries = [...average.tensors].map(([name, { dtype, shape, bytes }]) => ({
    name,
    dtype,
    shape,
    data: () => bytes,
  }));
  const { record, fairseq } = average;
  if (record) return await writeCheckpoint(path, { record, parameters: entries, optimizer: {} });
  const metadata: Record<string, string> = fairseq
    ? { [FAIRSEQ_KEY]: JSON.stringify(fairseq) }
    : {};
  await replaceFile(path, (sink) => writeSafetensors(sink, entries, metadata));
}

/** A running sum of tensors of one shape. */
class Sum {
  readonly shape: readonly number[];
  private readonly values: Float64Array;
  private readonly dtype: StoredTensor["dtype"];

  constructor(first: StoredTensor) {
    this.shape = first.shape;
    this.dtype = first.dtype;
    this.values = new Float64Array(elementCount(first.shape));
    this.add(first);
  }

  fits(tensor: StoredTensor): boolean {
    return tensor.shape.join() === this.shape.join();
  }

  add(tensor: StoredTensor): void {
    const exact = tensor.dtype === "F64" || tensor.dtype.startsWith("I");
    const addends = exact ? toNumbers(tensor) : toFloat32(tensor);
    for (let i = 0; i < addends.length; i++) this.values[i] += addends[i];
  }

  mean(count: number): StoredTensor {
    const { dtype, shape } = this;
    const means = this.values.map((sum) => sum / count);
    switch (dtype) {
      case "F64":
        return { dtype, shape, bytes: bytesOf(means) };
      case "F32":
      case "F16":
      case "BF16":
        return { dtype: "F32", shape, bytes: bytesOf(Float32Array.from(means)) };
      default: // integers: no file of fairseq's holds any beyond 2^53
        return {
          dtype: "I64",
          shape,
          bytes: bytesOf(BigInt64Array.from(means, (mean) => BigInt(Math.floor(mean)))),
        };
    }
  }
}

const bytesOf = (data: ArrayBufferView): Uint8Array =>
  new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

function refuseOtherNames(
  first: ReadonlyMap<string, unknown>,
  tensors: ReadonlyMap<string, unknown>,
  path: string,
  firstPath: string,
): void {
  const missing = [...first.keys()].find((name) => !tensors.has(name));
  if (missing !== undefined) throw unlike(path, firstPath, `${missing} is missing`);
  const surplus = [...tensors.keys()].find((name) => !first.has(name));
  if (surplus !== undefined) throw unlike(path, firstPath, `${surplus} is not in the first`);
}

const unlike = (path: string, firstPath: string, problem: string): UserError =>
  new UserError({
    place: path,
    problem: `is of another model than ${firstPath}: ${problem}`,
    remedy: "average checkpoints of one run, or of runs with the same model",
  });
