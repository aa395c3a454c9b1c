// Compute pipelines by their WGSL text: compiling one costs 20-500 ms, looking one up a hash.
import type { ErrorWatch } from "./errors.ts";

/** GPUShaderStage.COMPUTE */
const COMPUTE = 4;

/** The bindings that a kernel's text declares: storage buffers, and perhaps one uniform block. */
export interface Bindings {
  readonly storage: readonly number[];
  readonly uniform?: number;
}

export interface Pipeline {
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
}

export class PipelineCache {
  private readonly pipelines = new Map<string, Pipeline>();
  private readonly layouts = new Map<string, GPUBindGroupLayout>();

  constructor(
    private readonly device: GPUDevice,
    private readonly errors: ErrorWatch,
  ) {}

  get size(): number {
    return this.pipelines.size;
  }

  /** The pipeline of a WGSL text. `name` is the op that needs it first, for messages. */
  get(name: string, code: string, bindings: Bindings): Pipeline {
    const known = this.pipelines.get(code);
    if (known) return known;
    const made = this.errors.guard(name, "validation", () => this.compile(name, code, bindings));
    this.pipelines.set(code, made);
    return made;
  }

  private compile(label: string, code: string, bindings: Bindings): Pipeline {
    const layout = this.layoutOf(bindings);
    const pipeline = this.device.createComputePipeline({
      label,
      layout: this.device.createPipelineLayout({ bindGroupLayouts: [layout] }),
      compute: { module: this.device.createShaderModule({ label, code }), entryPoint: "main" },
    });
    return { pipeline, layout };
  }

  /**
   * Explicit, because a layout taken from the text drops bindings that the compiler finds unused.
   * All storage is writable: one buffer may not be bound read-only and writable in one dispatch.
   */
  private layoutOf({ storage, uniform }: Bindings): GPUBindGroupLayout {
    const key = `${storage} ${uniform}`;
    const known = this.layouts.get(key);
    if (known) return known;
    const entry = (binding: number, type: GPUBufferBindingType) => ({
      binding,
      visibility: COMPUTE,
      buffer: { type },
    });
    const entries = storage.map((binding) => entry(binding, "storage"));
    if (uniform !== undefined) entries.push(entry(uniform, "uniform"));
    const layout = this.device.createBindGroupLayout({ entries });
    this.layouts.set(key, layout);
    return layout;
  }
}
