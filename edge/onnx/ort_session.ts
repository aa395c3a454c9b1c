import { LOG_LEVEL, type OrtModule } from "./ort_module.ts";
import { OrtTensor } from "./ort_tensor.ts";
import { SessionEnds } from "./session_ends.ts";

const ALL_OPTIMISATIONS = 99;
const SEQUENTIAL = 0;

/** A graph ready to run. Inputs and outputs that are bound stay so from run to run. */
export class OrtSession {
  private readonly inputs: SessionEnds;
  private readonly outputs: SessionEnds;
  private readonly boundOutputs = new Map<string, OrtTensor>();
  private readonly runOptions: number;

  private constructor(
    private readonly module: OrtModule,
    private readonly handle: number,
  ) {
    const { glue } = module;
    const [inputs, outputs] = module.withStack(8, (at) => {
      module.check(glue._OrtGetInputOutputCount(handle, at, at + 4), "count inputs");
      return [module.word(at), module.word(at + 4)];
    });
    this.inputs = new SessionEnds(module, handle, 0, inputs);
    this.outputs = new SessionEnds(module, handle, inputs, outputs);
    // The names of all inputs stand in their own order; outputs are listed anew at each run.
    for (const [i, name] of this.inputs.names.entries()) this.inputs.set(i, name, 0);
    const options = glue._OrtCreateRunOptions(LOG_LEVEL, 0, false, 0);
    this.runOptions = module.handle(options, "make run options");
  }

  /** @throws Error with ONNX Runtime's words if it does not understand the model. */
  static create(module: OrtModule, model: Uint8Array): OrtSession {
    const { glue } = module;
    // Neither arena nor memory pattern: both keep the most that any shape ever needed, and save no time.
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
    return this.inputs.names;
  }

  /** Gives an input. One that the graph does not have is no mistake: it has no use for it. */
  bind(name: string, tensor: OrtTensor): void {
    const place = this.inputs.placeOf(name);
    if (place !== undefined) this.inputs.set(place, name, tensor.handle);
  }

  /** Has an output written into a tensor at every run. */
  bindOutput(name: string, tensor: OrtTensor): void {
    this.boundOutputs.set(name, tensor);
  }

  /** Computes the bound outputs and those that are wanted, which are the caller's to release. */
  run(wanted: readonly string[]): OrtTensor[] {
    const { module, handle, inputs, outputs, boundOutputs } = this;
    let count = 0;
    for (const [name, tensor] of boundOutputs) outputs.set(count++, name, tensor.handle);
    for (const name of wanted) outputs.set(count++, name, 0); // to be allocated
    const code = module.glue._OrtRun(
      ...([handle, inputs.nameList, inputs.handleList, inputs.names.length] as const),
      ...([outputs.nameList, count, outputs.handleList, this.runOptions] as const),
    );
    module.check(code, "run a graph");
    const results = wanted.map((_, i) => outputs.handleAt(boundOutputs.size + i));
    return results.map((result) => OrtTensor.result(module, result));
  }

  release(): void {
    const { glue } = this.module;
    this.inputs.release();
    this.outputs.release();
    glue._OrtReleaseRunOptions(this.runOptions);
    glue._OrtReleaseSession(this.handle);
  }
}
