// Times the kernels of an op by themselves, on memory of their own: on the GPU's clock where there are
// timestamps, else on the host's over repeated submits.
import type { GpuBinding, GpuDispatch } from "../../../kernels/op.ts";
import { bytesOf } from "../../tensor/shape.ts";
import { usage } from "./buffer_pool.ts";
import { withHalfStorage } from "./half_storage.ts";
import type { Operands } from "./kernel_choices.ts";
import { PassTimer } from "./pass_timer.ts";
import { ReadBack } from "./read_back.ts";
import type { WebGpuDevice } from "./webgpu_device.ts";

/** Zeroed memory for every operand of an op, to be shared by all of its candidates. */
export class OperandMemory {
  private readonly buffers: ReadonlyMap<string, GPUBuffer>;
  private readonly halves = new Set<string>();

  constructor(device: WebGpuDevice, { inputs, outputs }: Operands) {
    const specs = [
      ...inputs.map((spec, i) => [`input ${i}`, spec] as const),
      ...outputs.map((spec, i) => [`output ${i}`, spec] as const),
    ];
    this.buffers = new Map(
      specs.map(([name, spec]) => [name, device.createStorage("autotune", bytesOf(spec))]),
    );
    for (const [name, { dtype }] of specs) if (dtype === "f16") this.halves.add(name);
  }

  get(name: string): GPUBuffer | undefined {
    return this.buffers.get(name);
  }

  isHalf(name: string): boolean {
    return this.halves.has(name);
  }

  destroy(): void {
    for (const buffer of this.buffers.values()) buffer.destroy();
  }
}

/** What memory a binding means. */
const nameOf = (binding: GpuBinding): string =>
  "input" in binding
    ? `input ${binding.input}`
    : "output" in binding
      ? `output ${binding.output}`
      : `shared ${binding.shared}`;

interface Ready {
  readonly pipeline: GPUComputePipeline;
  readonly group: GPUBindGroup;
  readonly workgroups: readonly [number, number, number];
}

/** Kernels with their memory, ready to be timed. Operands are zero: the order of speeds is the same. */
export class KernelTimer {
  private readonly buffers = new Map<string, GPUBuffer>();
  private readonly params: GPUBuffer[] = [];
  private readonly ready: Ready[] = [];

  constructor(
    private readonly device: WebGpuDevice,
    private readonly operands: OperandMemory,
    op: string,
    dispatches: readonly GpuDispatch[],
  ) {
    device.errors.guard(`${op}, timed`, "validation", () => {
      for (const dispatch of dispatches) this.ready.push(this.bind(op, dispatch));
    });
  }

  /** Microseconds of one run, the mean over `repeats` of them one after the other. */
  async time(repeats: number): Promise<number> {
    return this.device.facts.timestamps ? this.timeOnGpu(repeats) : this.timeOnHost(repeats);
  }

  destroy(): void {
    this.device.provider.discard({ groups: this.ready.map(({ group }) => group) });
    for (const buffer of [...this.buffers.values(), ...this.params]) buffer.destroy();
  }

  private async timeOnGpu(repeats: number): Promise<number> {
    const { device } = this;
    const timer = new PassTimer(device.gpu, 1);
    const encoder = device.gpu.createCommandEncoder({ label: "autotune" });
    const pass = encoder.beginComputePass(timer.next("autotune", ""));
    this.encode(pass, repeats);
    const readBack = new ReadBack(device.readBacks, device.errors, timer.bytes);
    timer.resolve(encoder, readBack.buffer, 0);
    device.submit(encoder, [pass]);
    try {
      const [begin, end] = new BigUint64Array(await readBack.read());
      return Number(end - begin) / 1000 / repeats;
    } finally {
      timer.destroy();
    }
  }

  private async timeOnHost(repeats: number): Promise<number> {
    const { gpu } = this.device;
    const encoder = gpu.createCommandEncoder({ label: "autotune" });
    const pass = encoder.beginComputePass();
    this.encode(pass, repeats);
    const begun = performance.now();
    this.device.submit(encoder, [pass]);
    await gpu.queue.onSubmittedWorkDone();
    await this.device.errors.settled();
    return ((performance.now() - begun) * 1000) / repeats;
  }

  private encode(pass: GPUComputePassEncoder, repeats: number): void {
    for (let i = 0; i < repeats; i++) {
      for (const { pipeline, group, workgroups } of this.ready) {
        pass.setPipeline(pipeline);
        pass.setBindGroup(0, group);
        pass.dispatchWorkgroups(...workgroups);
      }
    }
    pass.end();
  }

  private bind(op: string, { code, bindings, params, workgroups }: GpuDispatch): Ready {
    const { device } = this;
    const halves = bindings.flatMap((binding, i) =>
      this.operands.isHalf(nameOf(binding)) ? [i] : [],
    );
    const text = withHalfStorage(op, code, halves, device.facts.f16);
    const { pipeline, layout } = device.pipelines.get(op, text, {
      storage: bindings.map((_, binding) => binding),
      uniform: params && bindings.length,
    });
    const entries = bindings.map((binding, i) => ({
      binding: i,
      resource: { buffer: this.bufferFor(binding) },
    }));
    if (params) {
      const buffer = device.gpu.createBuffer({
        label: "autotune params",
        size: Math.ceil(params.byteLength / 16) * 16,
        usage: usage.uniform | usage.copyTarget,
      });
      this.params.push(buffer);
      device.upload(buffer, 0, new Uint8Array(params.buffer, params.byteOffset, params.byteLength));
      entries.push({ binding: bindings.length, resource: { buffer } });
    }
    const group = device.gpu.createBindGroup({ label: op, layout, entries });
    return { pipeline, group, workgroups };
  }

  private bufferFor(binding: GpuBinding): GPUBuffer {
    const name = nameOf(binding);
    const known = this.operands.get(name) ?? this.buffers.get(name);
    if (known) return known;
    if (!("shared" in binding)) throw new Error(`autotune: there is no ${name}`);
    const made = this.device.createStorage("autotune", binding.bytes);
    this.buffers.set(name, made);
    return made;
  }
}
