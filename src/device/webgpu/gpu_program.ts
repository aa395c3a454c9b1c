// A prepared program on the GPU: pipelines and bind groups made once, encoded again for every run.
import { UserError } from "../../config/user_error.ts";
import { bytesOf } from "../../tensor/shape.ts";
import type { Pending, PreparedProgram } from "../device.ts";
import { deviceArray, type HostArray, hostArray, type Program } from "../program.ts";
import { type Span, timed, timedTurns, WAIT_FOR_GPU } from "../spans.ts";
import type { Range } from "./bind_ranges.ts";
import { usage } from "./buffer_pool.ts";
import { PassTimer } from "./pass_timer.ts";
import {
  ARENA,
  CONSTANTS,
  type DispatchStep,
  INPUTS,
  type Plan,
  planProgram,
  STAND_INS,
} from "./plan.ts";
import type { Room, Submission } from "./submission.ts";
import type { WebGpuDevice } from "./webgpu_device.ts";

interface BoundDispatch {
  readonly pipeline: GPUComputePipeline;
  readonly group: GPUBindGroup;
}

const untimed = (adapter: string): UserError =>
  new UserError({
    place: "--profile",
    problem: `${adapter} has no timestamp-query: it cannot time its kernels`,
    remedy: "profile with --device cpu, or on another adapter",
  });

export class GpuProgram implements PreparedProgram {
  bytes: number;
  private plan: Plan;
  /** Of the kernels that were chosen when the plan was made. */
  private choicesVersion: number;
  /** Buffers of this program alone, by place. */
  private readonly own = new Map<number, GPUBuffer>();
  private params: GPUBuffer | undefined;
  /** Inputs of a run are gathered here, so that one write brings them all. */
  private readonly hostInputs: Uint8Array<ArrayBuffer>;
  private readonly outputBytes: number;
  /** By number of the step; undefined for copies. */
  private bound: readonly (BoundDispatch | undefined)[] = [];
  private version = -1;
  private released = false;

  constructor(
    private readonly device: WebGpuDevice,
    private readonly program: Program,
  ) {
    this.choicesVersion = device.choices.version;
    this.plan = this.makePlan();
    this.bytes = this.plan.arenaBytes;
    for (const [place, bytes] of [
      [INPUTS, this.plan.inputBytes],
      [CONSTANTS, this.plan.constantBytes],
      [STAND_INS, this.plan.standInBytes],
    ]) {
      if (bytes > 0) this.own.set(place, device.createStorage(program.name, bytes));
    }
    this.hostInputs = new Uint8Array(this.plan.inputBytes);
    this.outputBytes = program.outputs.reduce(
      (sum, { value }) => sum + bytesOf(program.values[value].spec),
      0,
    );
    this.writeConstants();
    this.params = this.createParams();
    this.bind();
  }

  run(inputs: readonly HostArray[], spans?: Span[]): readonly Pending[] {
    const { device } = this;
    device.errors.check();
    if (this.released) throw new Error(`webgpu: ${this.program.name} runs after its release`);
    if (spans && !device.facts.timestamps) throw untimed(device.facts.name);
    if (this.plan.isOpen && device.choices.version !== this.choicesVersion) {
      timed(spans, "plan again", () => this.planAgain());
    }
    if (device.version !== this.version) timed(spans, "bind again", () => this.bind());
    const timer = spans && new PassTimer(device.gpu, this.plan.steps.length);
    const submission = device.submission(this.program.name);
    timed(spans, "copy inputs", () => this.writeInputs(inputs, submission));
    timed(spans, "encode", () => this.encode(submission, timer));
    const size = this.outputBytes + (timer?.bytes ?? 0);
    const room = size > 0 ? submission.room(size) : undefined;
    const offsets = room ? this.copyOutputs(submission, room) : [];
    if (timer && spans && room) this.report(timer, submission, room, spans);
    timed(spans, "submit", () => device.ran(submission));
    return this.program.outputs.map(({ value }, i) => ({
      read: async () => {
        if (!room) return this.hostArray(value, new ArrayBuffer(0), 0);
        device.flush();
        const bytes = await timedTurns(spans, WAIT_FOR_GPU, () => room.readBack.read());
        return this.hostArray(value, bytes, offsets[i]);
      },
    }));
  }

  /** Spans are there when the first result is: both wait for the same bytes, and this began first. */
  private report(
    timer: PassTimer,
    submission: Submission,
    { readBack, offset }: Room,
    spans: Span[],
  ): void {
    const at = offset + this.outputBytes;
    timer.resolve(submission.encoder, readBack.buffer, at);
    submission.onSent(() => {
      const told = readBack
        .read()
        .then((bytes) => timer.report(bytes, at, submission.origin, spans));
      // Whoever reads a result gets the same error.
      told.catch(() => undefined).finally(() => timer.destroy());
    });
  }

  release(): void {
    this.device.flush();
    for (const buffer of this.own.values()) buffer.destroy();
    this.params?.destroy();
    this.replaceBound([]);
    this.released = true;
  }

  private encode({ encoder, passes }: Submission, timer?: PassTimer): void {
    let pass: GPUComputePassEncoder | undefined;
    const endPass = (): void => {
      pass?.end();
      pass = undefined;
    };
    for (const [i, step] of this.plan.steps.entries()) {
      if (step.kind === "copy") {
        endPass();
        const { source, target } = step;
        encoder.copyBufferToBuffer(
          this.bufferAt(source),
          source.offset,
          this.bufferAt(target),
          target.offset,
          source.size,
        );
        continue;
      }
      if (timer) endPass();
      if (!pass) {
        pass = encoder.beginComputePass(timer?.next(step.name, step.detail));
        passes.push(pass);
      }
      const bound = this.bound[i];
      if (!bound) throw new Error(`webgpu: ${this.program.name}: step ${i} is not bound`);
      pass.setPipeline(bound.pipeline);
      pass.setBindGroup(0, bound.group);
      pass.dispatchWorkgroups(...step.workgroups);
    }
    endPass();
  }

  private makePlan(): Plan {
    const { facts, choices } = this.device;
    const alignment = facts.limits.minStorageBufferOffsetAlignment;
    return planProgram(this.program, facts, alignment, choices);
  }

  /** Follows the choices made meanwhile: other kernels, and perhaps other temporaries for them. */
  private planAgain(): void {
    this.device.flush();
    this.choicesVersion = this.device.choices.version;
    this.plan = this.makePlan();
    this.bytes = this.plan.arenaBytes;
    this.params?.destroy();
    this.params = this.createParams();
    this.bind();
  }

  private bind(): void {
    this.device.reserveArena(this.plan.arenaBytes);
    // Variables are created as they are met: do that before the version is read.
    for (const buffer of this.program.buffers) {
      if (buffer.kind === "variable") this.device.bufferOf(buffer.variable);
    }
    this.version = this.device.version;
    const bound = this.device.errors.guard(this.program.name, "validation", () =>
      this.plan.steps.map((step) =>
        step.kind === "dispatch" ? this.bindDispatch(step) : undefined,
      ),
    );
    this.replaceBound(bound);
  }

  private replaceBound(bound: readonly (BoundDispatch | undefined)[]): void {
    const groups = this.bound.flatMap((each) => (each ? [each.group] : []));
    this.device.provider.discard({ groups });
    this.bound = bound;
  }

  private bindDispatch(step: DispatchStep): BoundDispatch {
    const { name, code, bound, params } = step;
    for (const range of bound) {
      if (range) this.device.refuseUnbindable(`${name} ${step.detail}`, range.size);
    }
    const storage = bound.flatMap((range, binding) => (range ? [{ binding, range }] : []));
    const { pipeline, layout } = this.device.pipelines.get(`${name} ${step.detail}`, code, {
      storage: storage.map(({ binding }) => binding),
      uniform: params && bound.length,
    });
    const entries: GPUBindGroupEntry[] = storage.map(({ binding, range }) => ({
      binding,
      resource: { buffer: this.bufferAt(range), offset: range.offset, size: range.size },
    }));
    if (params && this.params) {
      entries.push({ binding: bound.length, resource: { buffer: this.params, ...params } });
    }
    const label = `${name} ${step.detail}`;
    const group = this.device.gpu.createBindGroup({ label, layout, entries });
    return { pipeline, group };
  }

  private bufferAt({ place }: Range): GPUBuffer {
    if (place === ARENA) return this.device.arena;
    const own = this.own.get(place);
    if (own) return own;
    const buffer = this.program.buffers[place];
    if (buffer?.kind !== "variable") throw new Error(`webgpu: no buffer at place ${place}`);
    return this.device.bufferOf(buffer.variable);
  }

  private createParams(): GPUBuffer | undefined {
    const { params } = this.plan;
    if (params.byteLength === 0) return undefined;
    const buffer = this.device.gpu.createBuffer({
      label: `${this.program.name} params`,
      size: params.byteLength,
      usage: usage.uniform | usage.copyTarget,
    });
    this.device.upload(buffer, 0, params);
    return buffer;
  }

  private writeConstants(): void {
    const target = this.own.get(CONSTANTS);
    if (!target) return;
    for (const [value, { spec, buffer, offset }] of this.program.values.entries()) {
      const source = this.program.buffers[buffer];
      if (source.kind !== "constant" || offset !== 0) continue;
      const data = deviceArray(spec.dtype, source.data);
      this.device.upload(target, this.plan.ranges[value].offset, data);
    }
  }

  private writeInputs(inputs: readonly HostArray[], submission: Submission): void {
    const target = this.own.get(INPUTS);
    if (!target) return;
    for (const [i, { value }] of this.program.inputs.entries()) {
      const { buffer, byteOffset, byteLength } = inputs[i];
      this.hostInputs.set(
        new Uint8Array(buffer, byteOffset, byteLength),
        this.plan.ranges[value].offset,
      );
    }
    submission.fill(target, this.hostInputs);
  }

  /** @returns the offset of each output among the bytes read back. */
  private copyOutputs({ encoder }: Submission, { readBack, offset: begin }: Room): number[] {
    let end = begin;
    return this.program.outputs.map(({ value }) => {
      const bytes = bytesOf(this.program.values[value].spec);
      const range = this.plan.ranges[value];
      const offset = end;
      if (bytes > 0) {
        encoder.copyBufferToBuffer(
          this.bufferAt(range),
          range.offset,
          readBack.buffer,
          offset,
          bytes,
        );
      }
      end += bytes;
      return offset;
    });
  }

  private hostArray(value: number, bytes: ArrayBuffer, offset: number): HostArray {
    const { spec } = this.program.values[value];
    return hostArray(spec, bytes.slice(offset, offset + bytesOf(spec)));
  }
}
