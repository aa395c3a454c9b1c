// The device that weft is for: WGSL kernels through any of the providers. One submit per run, or for several
// that are held; no command waits for the host inside a run.
import type { SubgroupMatrix } from "../../../kernels/op.ts";
import { UserError } from "../../config/user_error.ts";
import { bytesOf, sizeOf } from "../../tensor/shape.ts";
import type { Variable } from "../../tensor/variable.ts";
import type { Device, DeviceMemory, PreparedProgram } from "../device.ts";
import type { DeviceLostError } from "../device_lost_error.ts";
import { deviceArray, type HostArray, hostArray, type Program } from "../program.ts";
import {
  type AdapterFacts,
  describeAdapter,
  type FoundAdapter,
  limitsOf,
  wantedFeatures,
} from "./adapter.ts";
import { Autotuner } from "./autotuner.ts";
import { BufferPool, usage } from "./buffer_pool.ts";
import { ErrorWatch } from "./errors.ts";
import { GpuProgram } from "./gpu_program.ts";
import { KernelChoices } from "./kernel_choices.ts";
import { PipelineCache } from "./pipeline_cache.ts";
import type { OpenProvider } from "./provider.ts";
import { ReadBack } from "./read_back.ts";
import { probeSubgroupMatrix, type SubgroupMatrixConfig } from "./subgroup_matrix.ts";
import { Submission } from "./submission.ts";

/** Room behind the last value, so that an empty one can still be bound. */
const PADDING = 256;

/**
 * Runs of one submit, at most. Each one more saves some 14 us of the host; but a GPU cannot begin before it is
 * sent something, and drivers take one that is busy with a submit for seconds to hang.
 */
const RUNS_PER_SUBMIT = 8;

const storage = usage.storage | usage.copySource | usage.copyTarget;

export interface WebGpuOptions {
  /**
   * Whether kernels are chosen by timing them; unset: on real GPUs, since on a software adapter the
   * search costs more than it brings.
   */
  readonly autotune?: boolean;
  readonly say: (line: string) => void;
  /** Where timings are kept; unset: in weft's cache folder. */
  readonly cacheFolder?: string;
}

/** Takes an adapter into use. Without options nothing is timed and the tables' first kernels serve. */
export async function startWebGpuDevice(
  found: FoundAdapter,
  options?: WebGpuOptions,
): Promise<WebGpuDevice> {
  const { adapter, facts, provider } = found;
  const features: readonly string[] = wantedFeatures.filter((name) => adapter.features.has(name));
  const device = await adapter.requestDevice({
    requiredFeatures: features as GPUFeatureName[],
    requiredLimits: limitsOf(adapter),
  });
  // Some providers crash when the adapter is collected before its device.
  referenced.add(adapter).add(device).add(provider);
  const isTuned = options !== undefined && (options.autotune ?? facts.type === "real");
  const known = { ...facts, subgroupMatrix: await subgroupMatrixOf(device, found, options?.say) };
  const started = new WebGpuDevice(device, known, provider, new KernelChoices(isTuned));
  if (options && isTuned) {
    started.autotuner = await Autotuner.open(started, options.say, options.cacheFolder);
  }
  return started;
}

/** What may be used of the adapter's subgroup matrices. */
async function subgroupMatrixOf(
  device: GPUDevice,
  { adapter, facts }: FoundAdapter,
  say: WebGpuOptions["say"] = () => {},
): Promise<SubgroupMatrix | undefined> {
  if (!facts.offersSubgroupMatrix || !facts.f16 || !facts.subgroups) return undefined;
  const { subgroupMatrixConfigs: listed } = adapter.info as ListedSubgroupMatrices;
  const found = await probeSubgroupMatrix(device, listed, facts.subgroups.max);
  if (!("reason" in found)) return found;
  say(`webgpu: products do without the subgroup matrices of ${facts.name} (${found.reason})`);
  return undefined;
}

/** What Dawn's newer bindings show beyond the standard. */
interface ListedSubgroupMatrices extends GPUAdapterInfo {
  readonly subgroupMatrixConfigs?: Iterable<SubgroupMatrixConfig>;
}

const referenced = new Set<unknown>();

export class WebGpuDevice implements Device {
  readonly kind = "webgpu";
  readonly description: string;
  readonly widthMultiple = 8;
  readonly half: "native" | "packed";
  readonly errors: ErrorWatch;
  readonly pipelines: PipelineCache;
  readonly readBacks: BufferPool;
  private readonly uploads: BufferPool;
  /** Absent where nothing is timed. */
  autotuner: Autotuner | undefined;
  private readonly storage = new Map<Variable, GPUBuffer>();
  private arenaBuffer: GPUBuffer | undefined;
  private variableBytes = 0;
  private memoryVersion = 0;
  /** What is encoded and not yet sent. */
  private open: Submission | undefined;
  private isHeld = false;

  constructor(
    readonly gpu: GPUDevice,
    readonly facts: AdapterFacts,
    readonly provider: OpenProvider,
    readonly choices: KernelChoices = new KernelChoices(false),
  ) {
    this.description = describeAdapter(facts);
    this.half = facts.f16 ? "native" : "packed";
    this.errors = new ErrorWatch(gpu, facts.name);
    this.pipelines = new PipelineCache(gpu, this.errors);
    this.readBacks = new BufferPool(gpu, "read back", usage.mapRead | usage.copyTarget);
    this.uploads = new BufferPool(gpu, "inputs", usage.copySource | usage.copyTarget);
  }

  prepare(program: Program): PreparedProgram {
    this.errors.check();
    return new GpuProgram(this, program);
  }

  /** Absent where nothing is timed: nobody need prepare a program before it runs. */
  get tune(): (() => Promise<void> | undefined) | undefined {
    const { autotuner, choices } = this;
    return autotuner && (() => (choices.hasOpen ? autotuner.tune() : undefined));
  }

  kernelRecord(): Readonly<Record<string, string>> {
    return this.choices.record();
  }

  hold(): void {
    this.isHeld = true;
  }

  send(): void {
    this.isHeld = false;
    this.flush();
  }

  write(variable: Variable, data: HostArray): void {
    this.errors.check();
    this.flush();
    const { shape, dtype } = variable.spec;
    if (data.length !== sizeOf(shape) || data instanceof Int32Array !== (dtype === "i32")) {
      throw new TypeError(
        `write: ${variable.name} holds ${sizeOf(shape)} ${dtype}, got ${data.length}`,
      );
    }
    this.upload(this.bufferOf(variable), variable.byteOffset, deviceArray(dtype, data));
  }

  async read(variable: Variable): Promise<HostArray> {
    const bytes = bytesOf(variable.spec);
    if (bytes === 0) return hostArray(variable.spec, new ArrayBuffer(0));
    this.flush();
    const encoder = this.gpu.createCommandEncoder({ label: "read" });
    const readBack = new ReadBack(this.readBacks, this.errors, bytes);
    const source = this.bufferOf(variable);
    encoder.copyBufferToBuffer(source, variable.byteOffset, readBack.buffer, 0, bytes);
    this.submit(encoder, []);
    return hostArray(variable.spec, await readBack.read());
  }

  free(variable: Variable): void {
    const buffer = this.storage.get(variable.root);
    if (!buffer) return;
    this.flush();
    buffer.destroy();
    this.storage.delete(variable.root);
    this.variableBytes -= bytesOf(variable.root.spec);
    this.memoryVersion++;
  }

  /** WebGPU does not tell how much memory there is. */
  memory(): DeviceMemory {
    return {
      variables: this.variableBytes,
      temporaries: this.arenaBuffer?.size ?? 0,
      limit: undefined,
    };
  }

  loss(): Promise<DeviceLostError | undefined> {
    return this.errors.loss();
  }

  async close(): Promise<void> {
    this.errors.close();
    for (const buffer of this.storage.values()) buffer.destroy();
    this.arenaBuffer?.destroy();
    this.readBacks.clear();
    this.uploads.clear();
    this.gpu.destroy();
    referenced.delete(this.gpu);
  }

  // ---- for GpuProgram ----

  /** Grows when a buffer that programs have bound was replaced: they must bind anew. */
  get version(): number {
    return this.memoryVersion;
  }

  /** Storage of a variable's root, zero when first met. */
  bufferOf({ root }: Variable): GPUBuffer {
    const known = this.storage.get(root);
    if (known) return known;
    const bytes = bytesOf(root.spec);
    const buffer = this.createStorage(root.name, bytes);
    this.storage.set(root, buffer);
    this.variableBytes += bytes;
    return buffer;
  }

  /** The block that all programs use for their temporaries, since only one runs at a time. */
  reserveArena(bytes: number): void {
    if (this.arenaBuffer && bytes <= this.arenaBuffer.size) return;
    this.flush();
    this.arenaBuffer?.destroy();
    this.arenaBuffer = this.createStorage("temporaries", bytes);
    this.memoryVersion++;
  }

  get arena(): GPUBuffer {
    this.arenaBuffer ??= this.createStorage("temporaries", 0);
    return this.arenaBuffer;
  }

  createStorage(what: string, bytes: number): GPUBuffer {
    const size = Math.ceil(bytes / PADDING) * PADDING + PADDING;
    this.refuseBeyond("maxBufferSize", what, size);
    return this.errors.guard(what, "out-of-memory", () =>
      this.gpu.createBuffer({ label: what, size, usage: storage }),
    );
  }

  /** @throws UserError when one tensor is more than a kernel of this adapter can reach. */
  refuseUnbindable(what: string, bytes: number): void {
    this.refuseBeyond("maxStorageBufferBindingSize", what, bytes);
  }

  private refuseBeyond(
    limit: "maxBufferSize" | "maxStorageBufferBindingSize",
    what: string,
    bytes: number,
  ): void {
    const { name, limits } = this.facts;
    if (bytes <= limits[limit]) return;
    const mebibytes = (value: number) => `${Math.ceil(value / 2 ** 20)} MiB`;
    throw new UserError({
      place: "--device webgpu",
      problem: `${what}: ${mebibytes(bytes)}, and the ${limit} of ${name} is ${mebibytes(limits[limit])}`,
      remedy: "lower --max-tokens or --batch-size, or use --device cpu",
    });
  }

  upload(buffer: GPUBuffer, offset: number, data: HostArray | Uint8Array | Uint16Array): void {
    if (data.byteLength === 0) return;
    // The standard takes no shared memory.
    const own = data.buffer instanceof ArrayBuffer ? data : data.slice();
    this.gpu.queue.writeBuffer(buffer, offset, own as typeof own & ArrayBufferView<ArrayBuffer>);
  }

  /** Where a run of this name is to be encoded. */
  submission(label: string): Submission {
    this.open ??= new Submission(this, this.uploads, this.isHeld, label);
    return this.open;
  }

  /** A run is encoded. */
  ran(submission: Submission): void {
    submission.runs++;
    if (!this.isHeld || submission.runs >= RUNS_PER_SUBMIT) this.flush();
  }

  /** Sends what is held: before its results are read, and before anything that it uses is changed or gone. */
  flush(): void {
    const { open } = this;
    this.open = undefined;
    open?.send();
  }

  /** Sends what was encoded. */
  submit(encoder: GPUCommandEncoder, passes: readonly GPUComputePassEncoder[]): void {
    const commands = encoder.finish();
    this.gpu.queue.submit([commands]);
    this.provider.discard({ passes, commands });
  }
}
