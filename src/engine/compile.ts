// A function over tensors, traced once per signature of its inputs, placed, prepared and replayed.
import { collectGarbage } from "../device/collect_garbage.ts";
import type { Device, Pending, PreparedProgram, Watch } from "../device/device.ts";
import type { HostArray } from "../device/program.ts";
import { type Span, timed } from "../device/spans.ts";
import type { Shape, TensorSpec } from "../tensor/shape.ts";
import { sizeOf } from "../tensor/shape.ts";
import { input, type Tensor } from "../tensor/tensor.ts";
import type { Variable } from "../tensor/variable.ts";
import { peakBytes } from "./peak_bytes.ts";
import { place } from "./placement.ts";
import { withTrace } from "./trace.ts";

/** An argument of a compiled function. */
export interface HostTensor {
  readonly data: HostArray;
  readonly shape: Shape;
}

export interface CompileOptions {
  /** Plans kept; the least recently used one goes first. Default 512. */
  readonly plans?: number;
  /**
   * Root variables that no program changes while this function has plans (`Device.write` may):
   * weights, in decoding. Devices prepare them for products once.
   */
  readonly frozen?: ReadonlySet<Variable>;
}

/** A value for each input, and for such of the optional ones as there are. */
type Arguments<Inputs extends string, Optional extends string, Value> = Readonly<
  Record<Inputs, Value> & Partial<Record<Optional, Value>>
>;

export interface CompiledFunction<
  Inputs extends string,
  Outputs extends string,
  Optional extends string = never,
> {
  /**
   * Runs on the device; the plan for this signature is made if there is none.
   * @param variant distinguishes graphs that the input shapes do not (layers left out, say).
   * @param watch hears what of some variables is final while the run goes on.
   */
  (
    inputs: Arguments<Inputs, Optional, HostTensor>,
    variant?: string,
    watch?: Watch,
  ): Record<Outputs, Pending>;
  /** Makes the plan without running it; returns the bytes of its temporaries. */
  prepare(specs: Arguments<Inputs, Optional, TensorSpec>, variant?: string): number;
  /** Bytes of temporaries that such a plan has alive at once; no plan is made. */
  peakBytes(specs: Arguments<Inputs, Optional, TensorSpec>, variant?: string): number;
  /** How many signatures have a plan now. */
  planCount(): number;
  /** When set, every run appends its spans here. */
  spans: Span[] | undefined;
  release(): void;
}

interface Plan {
  readonly prepared: PreparedProgram;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
}

const specOf = ({ data, shape }: HostTensor): TensorSpec => {
  if (data.length !== sizeOf(shape)) {
    throw new RangeError(`compile: ${data.length} elements for shape (${shape.join(", ")})`);
  }
  return { shape, dtype: data instanceof Int32Array ? "i32" : "f32" };
};

/** So many new plans leave tens of MiB of garbage; collecting it takes as long as making twenty of them. */
const PLANS_PER_COLLECTION = 128;

/** A function's plans by signature, in order of use: the first is the one unused for longest. */
class PlanCache {
  private readonly plans = new Map<string, Plan>();
  private made = 0;

  constructor(
    private readonly capacity: number,
    private readonly make: (specs: Readonly<Record<string, TensorSpec>>, variant: string) => Plan,
  ) {}

  get size(): number {
    return this.plans.size;
  }

  get(specs: Readonly<Record<string, TensorSpec>>, variant: string, spans?: Span[]): Plan {
    const signature = signatureOf(specs, variant);
    const plan =
      this.plans.get(signature) ??
      timed(spans, "make a plan", () => this.makePlan(specs, variant), signature);
    if (!this.plans.delete(signature) && this.plans.size >= this.capacity) this.evictOldest();
    this.plans.set(signature, plan);
    return plan;
  }

  release(): void {
    for (const { prepared } of this.plans.values()) prepared.release();
    this.plans.clear();
  }

  private makePlan(specs: Readonly<Record<string, TensorSpec>>, variant: string): Plan {
    if (++this.made % PLANS_PER_COLLECTION === 0) collectGarbage();
    return this.make(specs, variant);
  }

  private evictOldest(): void {
    const [oldest] = this.plans;
    oldest[1].prepared.release();
    this.plans.delete(oldest[0]);
  }
}

/**
 * Compiles `fn` for `device`. `fn` sees symbolic tensors only; what it assigns to variables with
 * `assign` takes effect at every call.
 *
 * @param name shown in profiles and errors.
 */
export function compile<
  Inputs extends string,
  Outputs extends string,
  Optional extends string = never,
>(
  device: Device,
  name: string,
  fn: (inputs: Arguments<Inputs, Optional, Tensor>, variant: string) => Record<Outputs, Tensor>,
  options: CompileOptions = {},
): CompiledFunction<Inputs, Outputs, Optional> {
  const traced = (specs: Readonly<Record<string, TensorSpec>>, variant: string) => {
    const inputs = new Map(Object.entries(specs).map(([key, spec]) => [key, input(key, spec)]));
    const { result, trace } = withTrace(() =>
      fn(Object.fromEntries(inputs) as Arguments<Inputs, Optional, Tensor>, variant),
    );
    const outputs = new Map(Object.entries<Tensor>(result));
    return place({ name, inputs, outputs, assignments: trace.assignments() });
  };
  const plans = new PlanCache(options.plans ?? 512, (specs, variant) => {
    const program = traced(specs, variant);
    return {
      prepared: device.prepare({ ...program, frozen: options.frozen }),
      inputs: program.inputs.map((port) => port.name),
      outputs: program.outputs.map((port) => port.name),
    };
  });

  const run = (
    inputs: Readonly<Record<string, HostTensor>>,
    variant: string,
    watch: Watch | undefined,
  ): Record<Outputs, Pending> => {
    const { spans } = compiled;
    const specs = Object.fromEntries(Object.entries(inputs).map(([key, t]) => [key, specOf(t)]));
    const plan = plans.get(specs, variant, spans);
    const data = plan.inputs.map((key) => inputs[key].data);
    const results = plan.prepared.run(data, spans, watch);
    const named = plan.outputs.map((key, index) => [key, results[index]]);
    return Object.fromEntries(named) as Record<Outputs, Pending>;
  };
  const call = (
    inputs: Readonly<Record<string, HostTensor>>,
    variant = "",
    watch: Watch | undefined = undefined,
  ) => timed(compiled.spans, `run ${name}`, () => run(inputs, variant, watch));

  const compiled: CompiledFunction<Inputs, Outputs, Optional> = Object.assign(call, {
    prepare: (specs: Readonly<Record<string, TensorSpec>>, variant = "") =>
      plans.get(specs, variant).prepared.bytes,
    peakBytes: (specs: Readonly<Record<string, TensorSpec>>, variant = "") =>
      peakBytes(traced(specs, variant)),
    planCount: () => plans.size,
    spans: undefined,
    release: () => plans.release(),
  });
  return compiled;
}

function signatureOf(specs: Readonly<Record<string, TensorSpec>>, variant: string): string {
  const parts = Object.entries(specs).map(([key, s]) => `${key}:${s.dtype}[${s.shape.join()}]`);
  return `${variant}|${parts.join(";")}`;
}

/** Evaluates one tensor outside any compiled function: for debugging and tests. */
export async function read(device: Device, tensor: Tensor): Promise<HostArray> {
  const program = place({
    name: "read",
    inputs: new Map(),
    outputs: new Map([["value", tensor]]),
    assignments: [],
  });
  const prepared = device.prepare(program);
  try {
    return await prepared.run([])[0].read();
  } finally {
    prepared.release();
  }
}
