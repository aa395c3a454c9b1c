// Training in rounds, for slow networks: every peer makes updates of its own, and now and then all move to
// where the mean of their parameters leads. Source: Douillard et al. 2023, DiLoCo: the outer step is SGD
// with Nesterov momentum, as PyTorch defines it, on the distance that the peers have gone.
import { add, affine, mul, sub } from "../../kernels/elementwise/index.ts";
import type { Device } from "../device/device.ts";
import { type CompiledFunction, compile } from "../engine/compile.ts";
import type { FlatParameters, ParameterState } from "../engine/flat_parameters.ts";
import { assign, readVariable } from "../engine/trace.ts";
import type { Tensor } from "../tensor/tensor.ts";

export interface LocalSgdOptions {
  readonly device: Device;
  readonly parameters: FlatParameters;
  /** Updates of a round. */
  readonly every: number;
  /** Rate and momentum of the outer step. */
  readonly outerLr: number;
  readonly outerMomentum: number;
}

export class LocalSgd {
  /** Where the round began: the same on all peers. */
  readonly anchor: ParameterState;
  readonly momentum: ParameterState;
  private readonly keep: CompiledFunction<never, never>;
  private readonly back: CompiledFunction<never, never>;
  private readonly measure: CompiledFunction<never, never>;
  private readonly move: CompiledFunction<"share", never>;

  constructor(readonly options: LocalSgdOptions) {
    const { device, parameters } = options;
    this.anchor = parameters.like("anchor");
    this.momentum = parameters.like("outer_momentum");
    this.keep = compile(device, "round begins", () => this.traceKeep());
    this.back = compile(device, "round taken over", () => this.traceBack());
    this.measure = compile(device, "round ends", () => this.traceMeasure());
    this.move = compile(device, "outer step", ({ share }) => this.traceMove(share));
  }

  /** A round begins at the present parameters. */
  begin(): void {
    this.keep({});
  }

  /** The parameters are those that the round began with: for who takes over the state of others. */
  takeOver(): void {
    this.back({});
  }

  /** Puts the distance that this peer has gone into the gradients' place. */
  distance(): void {
    this.measure({});
  }

  /** Moves all peers alike. @param peers how many distances were summed in the gradients' place. */
  step(peers: number): void {
    this.move({ share: { data: Float32Array.of(1 / peers), shape: [] } });
  }

  private each(
    body: (
      parts: Record<"values" | "gradients" | "anchor" | "momentum", Tensor>,
      number: number,
    ) => void,
  ): Record<never, Tensor> {
    for (const [number, segment] of this.options.parameters.segments.entries()) {
      const parts = {
        values: readVariable(segment.values),
        gradients: readVariable(segment.gradients),
        anchor: readVariable(this.anchor.segments[number]),
        momentum: readVariable(this.momentum.segments[number]),
      };
      body(parts, number);
    }
    return {};
  }

  private traceKeep(): Record<never, Tensor> {
    return this.each(({ values }, number) => assign(this.anchor.segments[number], values));
  }

  private traceBack(): Record<never, Tensor> {
    const { segments } = this.options.parameters;
    return this.each(({ anchor }, number) => assign(segments[number].values, anchor));
  }

  private traceMeasure(): Record<never, Tensor> {
    const { segments } = this.options.parameters;
    return this.each(({ values, anchor }, number) =>
      assign(segments[number].gradients, sub(anchor, values)),
    );
  }

  private traceMove(share: Tensor): Record<never, Tensor> {
    const { parameters, outerLr, outerMomentum } = this.options;
    return this.each(({ gradients, anchor, momentum }, number) => {
      const mean = mul(gradients, share);
      const moved = add(affine(momentum, outerMomentum, 0), mean);
      const ahead = add(mean, affine(moved, outerMomentum, 0));
      const place = sub(anchor, affine(ahead, outerLr, 0));
      assign(this.momentum.segments[number], moved);
      assign(this.anchor.segments[number], place);
      assign(parameters.segments[number].values, place);
    });
  }
}
