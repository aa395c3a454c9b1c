// Which of an op's candidates serve. A choice is made once per device and class of shapes: from what was
// measured before, else the table's first, until an autotuner has measured.
import { createHash } from "node:crypto";
import {
  dispatchesOf,
  type GpuAnswer,
  type GpuCandidate,
  type GpuDispatch,
  isGpuChoice,
} from "../../../kernels/op.ts";
import type { TensorSpec } from "../../tensor/shape.ts";

/** What an op reads and writes. */
export interface Operands {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
}

/** A choice that nobody has measured on this adapter, with what it takes to measure it. */
export interface OpenChoice {
  /** Op and class. */
  readonly key: string;
  readonly op: string;
  /** Changes with any candidate's text. */
  readonly texts: string;
  readonly candidates: readonly GpuCandidate[];
  readonly operands: Operands;
}

/** What was measured of a choice. */
export interface MeasuredChoice {
  readonly texts: string;
  readonly chosen: string;
  /** Median microseconds of each candidate. */
  readonly microseconds: Readonly<Record<string, number>>;
}

export class KernelChoices {
  /** Grows when a choice was made that programs prepared before do not follow. */
  version = 0;
  private readonly measured = new Map<string, MeasuredChoice>();
  private readonly open = new Map<string, OpenChoice>();
  /** What programs use: key -> candidate. */
  private readonly used = new Map<string, string>();
  private readonly textsOf = new Map<string, string>();

  /** @param isTuned whether what nobody has measured will be; else the first candidate serves for good. */
  constructor(readonly isTuned: boolean) {}

  /** Takes over what was measured before; entries for other texts are ignored when they are met. */
  load(entries: Iterable<readonly [key: string, choice: MeasuredChoice]>): void {
    for (const [key, choice] of entries) this.measured.set(key, choice);
  }

  /** The kernels that serve. */
  dispatches(
    op: string,
    answer: GpuAnswer,
    operands: Operands,
  ): { readonly dispatches: readonly GpuDispatch[]; readonly isOpen: boolean } {
    if (!isGpuChoice(answer)) return { dispatches: dispatchesOf(answer), isOpen: false };
    const { candidates, shapeClass } = answer;
    const dtypes = [...operands.inputs, ...operands.outputs].map(({ dtype }) => dtype);
    const key = `${op} of ${[...new Set(dtypes)].join("+")}: ${shapeClass}`;
    const known = this.isTuned ? this.measuredOf(key, candidates) : undefined;
    const chosen = candidates.find(({ name }) => name === known?.chosen) ?? candidates[0];
    const isOpen = this.isTuned && known === undefined && candidates.length > 1;
    if (isOpen && !this.open.has(key)) {
      const texts = this.hashTexts(key, candidates);
      this.open.set(key, { key, op, texts, candidates, operands });
    }
    this.used.set(key, chosen.name);
    return { dispatches: chosen.dispatches(), isOpen };
  }

  /** What is to be measured; afterwards nothing is open. */
  takeOpen(): OpenChoice[] {
    const open = [...this.open.values()];
    this.open.clear();
    return open;
  }

  settle(key: string, choice: MeasuredChoice): void {
    this.measured.set(key, choice);
    this.version++;
  }

  get hasOpen(): boolean {
    return this.open.size > 0;
  }

  /** Every choice that was measured, also for shapes that this process has not met. */
  entries(): [key: string, choice: MeasuredChoice][] {
    return [...this.measured].sort(([a], [b]) => (a < b ? -1 : 1));
  }

  /** The choices that programs have met, for the record of a run: they decide its bits. */
  record(): Record<string, string> {
    return Object.fromEntries([...this.used].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  private measuredOf(key: string, candidates: readonly GpuCandidate[]): MeasuredChoice | undefined {
    const known = this.measured.get(key);
    return known?.texts === this.hashTexts(key, candidates) ? known : undefined;
  }

  /** The same whatever the order; made once per class, whose texts are equal by contract. */
  private hashTexts(key: string, candidates: readonly GpuCandidate[]): string {
    const known = this.textsOf.get(key);
    if (known !== undefined) return known;
    const texts = candidates.map(
      ({ name, dispatches }) =>
        `${name}\n${dispatches()
          .map(({ code }) => code)
          .join("\n")}`,
    );
    const hash = createHash("sha256").update(texts.sort().join("\n")).digest("hex").slice(0, 16);
    this.textsOf.set(key, hash);
    return hash;
  }
}
