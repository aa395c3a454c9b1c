import { LOG_LEVEL, type OrtModule } from "./ort_module.ts";
import { OrtTensor } from "./ort_tensor.ts";

const ALL_OPTIMISATIONS = 99;
const SEQUENTIAL = 0;

/** A graph ready to run. Inputs and outputs that are bound stay so from run to run. */
export class OrtSession {
  /** Each name's place in the arrays below. */
  private readonly inputs: ReadonlyMap<string, number>;
  /** Addresses of names, and of handles of tensors, in the same order. */
  private readonly inputNameList: number;
  private readonly inputHandles: number;
  private readonly outputs: ReadonlyMap<string, number>;
  private readonly names: readonly number[];
  private readonly bound = new Map<string, OrtTensor>();
  /** Of the outputs of a run. */
  private readonly outputNameList: number;
  private readonly outputHandles: number;
  private readonly options: number;

  private constructor(
    private readonly module: OrtModule,
    private readonly handle: number,
  ) {
    const { glue } = module;
    const [inputs, outputs] = module.withStack(8, (at) => {
      module.check(glue._OrtGetInputOutputCount(handle, at, at + 4), "count inputs");
      return [module.word(at), module.word(at + 4)];
    });
    const all = Array.from({ length: inputs + outputs }, (_, i) => this.nameOf(i));
    const text = (address: number): string => glue.UTF8ToString(address);
    this.names = all.slice(inputs);
    this.inputs = new Map(all.slice(0, inputs).map((name, i) => [text(name), i]));
    this.outputs = new Map(this.names.map((name, i) => [text(name), i]));
    this.inputNameList = module.allocate(4 * inputs);
    this.inputHandles = module.allocate(4 * inputs);
    this.outputNameList = module.allocate(4 * outputs);
    this.outputHandles = module.allocate(4 * outputs);
    glue.HEAPU32.set(all.slice(0, inputs), this.inputNameList >>> 2);
    glue.HEAPU32.fill(0, this.inputHandles >>> 2, (this.inputHandles >>> 2) + inputs);
    this.options = module.handle(
      glue._OrtCreateRunOptions(LOG_LEVEL, 0, false, 0),
      "make run options",
    );
  }

  /** @throws Error with ONNX Runtime's words if it does not understand the model. */
  static create(module: OrtModule, model: Uint8Array): OrtSession {
    const { glue } = module;
    // Neither arena nor memory pattern: both keep the most that any shape ever needed.
    const made = glue._OrtCreateSessionOptions(
      ...([ALL_OPTIMISATIONS, false, false, SEQUENTIAL, false, 0, 0, LOG_LEVEL, 0, 0] as const),
    );
    const options = module.handle(made, "make session options");
    const copy = module.allocate(model.length);
    try {
      module.bytesAt(copy, model.length).set(model);
      const session = glue._OrtCreateSession(copy, model.length, options);
      return new OrtSession(module, module.handle(session, "load a graph"));
    } finally {
      module.free(copy);
      glue._OrtReleaseSessionOptions(options);
    }
  }

  get inputNames(): readonly string[] {
    return [...this.inputs.keys()];
  }

  hasOutput(name: string): boolean {
    return this.outputs.has(name);
  }

  /** Gives an input that the graph may lack: then it has no use for it. */
  bind(name: string, tensor: OrtTensor): void {
    const place = this.inputs.get(name);
    if (place !== undefined)
      this.module.glue.HEAPU32[(this.inputHandles >>> 2) + place] = tensor.handle;
  }

  /** Writes an output into a tensor at every run. */
  bindOutput(name: string, tensor: OrtTensor): void {
    this.bound.set(name, tensor);
  }

  /** Computes the bound outputs and those that are wanted, which are the caller's to release. */
  run(wanted: readonly string[]): OrtTensor[] {
    const { module, bound } = this;
    const { glue } = module;
    const fetched = [...bound.keys(), ...wanted];
    for (const [i, name] of fetched.entries()) {
      glue.HEAPU32[(this.outputNameList >>> 2) + i] = this.names[this.outputs.get(name) ?? 0];
      glue.HEAPU32[(this.outputHandles >>> 2) + i] = bound.get(name)?.handle ?? 0;
    }
    const inputs = [this.handle, this.inputNameList, this.inputHandles, this.inputs.size] as const;
    const outputs = [
      this.outputNameList,
      fetched.length,
      this.outputHandles,
      this.options,
    ] as const;
    module.check(glue._OrtRun(...inputs, ...outputs), "run a graph");
    return wanted.map((_, i) =>
      OrtTensor.result(module, module.word(this.outputHandles + 4 * (bound.size + i))),
    );
  }

  release(): void {
    const { module } = this;
    const { glue } = module;
    for (const name of this.names) glue._OrtFree(name);
    for (let i = 0; i < this.inputs.size; i++)
      glue._OrtFree(module.word(this.inputNameList + 4 * i));
    for (const address of [
      ...[this.inputNameList, this.inputHandles, this.outputNameList, this.outputHandles],
    ]) {
      module.free(address);
    }
    glue._OrtReleaseRunOptions(this.options);
    glue._OrtReleaseSession(this.handle);
  }

  /** Address of the name of input or output `index`, inputs first; to be freed. */
  private nameOf(index: number): number {
    const { module, handle } = this;
    return module.withStack(8, (at) => {
      const code = module.glue._OrtGetInputOutputMetadata(handle, index, at, at + 4);
      module.check(code, "read a name");
      const metadata = module.word(at + 4);
      if (metadata !== 0) module.glue._OrtFree(metadata);
      return module.word(at);
    });
  }
}
