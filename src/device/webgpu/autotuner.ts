// Finds the fastest candidate of each op and class of shapes by timing them, once per adapter: results are
// kept on disk. Runs between prepare() and run(), never inside a step.
import { ChoiceFile } from "./choice_file.ts";
import type { KernelChoices, MeasuredChoice, OpenChoice } from "./kernel_choices.ts";
import { KernelTimer, OperandMemory } from "./kernel_timer.ts";
import type { WebGpuDevice } from "./webgpu_device.ts";

/** A candidate is timed over about so many microseconds, in each of so many rounds. */
const MEASURED_MICROSECONDS = 2_000;
const ROUNDS = 3;
const MOST_REPEATS = 50;
/** One that takes so many times as long as the best so far is not timed again. */
const HOPELESS = 3;
/** The table's first keeps its place unless another takes at most so much of its time. */
const WORTH_CHANGING = 0.97;
/** Seconds that a process may spend on measuring; what is left then takes the table's first. */
const BUDGET_SECONDS = 120;

/** Median microseconds of each candidate, in their order. */
export async function timeCandidates(
  device: WebGpuDevice,
  { op, candidates, operands: specs }: Pick<OpenChoice, "op" | "candidates" | "operands">,
): Promise<Map<string, number>> {
  const operands = new OperandMemory(device, specs);
  const times = new Map<string, number>();
  let best = Number.POSITIVE_INFINITY;
  try {
    for (const { name, dispatches } of candidates) {
      const timer = new KernelTimer(device, operands, op, dispatches());
      try {
        // The first run also compiles; the second tells how often to repeat.
        await timer.time(1);
        let median = await timer.time(1);
        if (median < HOPELESS * best) {
          const wanted = Math.ceil(MEASURED_MICROSECONDS / Math.max(median, 1));
          const repeats = Math.min(MOST_REPEATS, wanted);
          const rounds: number[] = [];
          for (let round = 0; round < ROUNDS; round++) rounds.push(await timer.time(repeats));
          median = rounds.sort((a, b) => a - b)[ROUNDS >> 1];
        }
        times.set(name, median);
        best = Math.min(best, median);
      } finally {
        timer.destroy();
      }
    }
  } finally {
    operands.destroy();
  }
  return times;
}

/** The first, unless another is clearly faster. */
export function fastest(times: ReadonlyMap<string, number>): string {
  const [[first, usual]] = times;
  const [name, time] = [...times].reduce((a, b) => (b[1] < a[1] ? b : a));
  return time <= WORTH_CHANGING * usual ? name : first;
}

export class Autotuner {
  /** Seconds that measuring may take in all. */
  budgetSeconds = BUDGET_SECONDS;
  private spentSeconds = 0;
  private toldOfBudget = false;

  private constructor(
    private readonly device: WebGpuDevice,
    private readonly choices: KernelChoices,
    private readonly file: ChoiceFile,
    private readonly say: (line: string) => void,
  ) {}

  /** Reads what earlier runs have measured on this adapter. */
  static async open(
    device: WebGpuDevice,
    say: (line: string) => void,
    folder?: string,
  ): Promise<Autotuner> {
    const file = new ChoiceFile(device.facts, folder);
    const entries = await file.read(say);
    device.choices.load(entries);
    const clock = device.facts.timestamps
      ? ""
      : "; there are no timestamps here: kernels are timed on the host's clock";
    say(`autotune: ${entries.length} choices of kernels known from ${file.path}${clock}`);
    return new Autotuner(device, device.choices, file, say);
  }

  /** Where what was measured is kept. */
  get path(): string {
    return this.file.path;
  }

  /** Measures what programs prepared since the last call left open. */
  async tune(): Promise<void> {
    const open = this.choices.takeOpen();
    const begun = performance.now();
    const measured: [string, MeasuredChoice][] = [];
    for (const choice of open) {
      const now = this.spentSeconds + (performance.now() - begun) / 1000;
      if (now > this.budgetSeconds) break;
      const times = await timeCandidates(this.device, choice);
      const entry: MeasuredChoice = {
        texts: choice.texts,
        chosen: fastest(times),
        microseconds: Object.fromEntries(times),
      };
      this.choices.settle(choice.key, entry);
      measured.push([choice.key, entry]);
    }
    const seconds = (performance.now() - begun) / 1000;
    this.spentSeconds += seconds;
    if (measured.length > 0) {
      await this.file.write(measured, this.say);
      this.say(
        `autotune: ${measured.length} choices of kernels measured in ${seconds.toFixed(1)} s`,
      );
    }
    if (measured.length === open.length || this.toldOfBudget) return;
    this.toldOfBudget = true;
    this.say(
      `autotune: ${this.budgetSeconds} s are spent; kernels not yet measured are the table's first (weft tune measures them ahead)`,
    );
  }
}
