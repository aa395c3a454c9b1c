// Updates that are begun and not yet heard of. On a device that computes beside the host the next one is begun
// first: its batch is collated and its commands are written while the device still works on this one.
import type { EpochIteratorState } from "../data/epoch_iterator.ts";
import type { EpochProgress } from "./progress.ts";
import type { StartedUpdate, UpdateReport } from "./update_report.ts";

/** Where in the run an update stands. */
export interface UpdatePlace {
  readonly epoch: number;
  /** Where the run stands once it is made. */
  readonly next: { readonly position: EpochIteratorState; readonly endOfEpoch: boolean };
  readonly progress: EpochProgress;
}

interface UnderWay {
  readonly started: StartedUpdate;
  readonly place: UpdatePlace;
  /** That it took to begin it. */
  readonly seconds: number;
}

export class UpdatesUnderWay {
  /** In their order. */
  private readonly begun: UnderWay[] = [];

  /** @param record is told at once what an update came to, and the seconds that the host spent on it. */
  constructor(
    private readonly clock: () => number,
    private readonly record: (report: UpdateReport, place: UpdatePlace, seconds: number) => void,
  ) {}

  get count(): number {
    return this.begun.length;
  }

  /**
   * Begins an update and hears of the one before.
   *
   * @param start may be called twice: what was begun in the belief that the one before was made is void if
   * that one's gradients overflowed.
   * @param runsAhead whether it may stay under way; else it is heard of, too.
   */
  async advance(
    start: () => Promise<StartedUpdate>,
    place: UpdatePlace,
    runsAhead: boolean,
  ): Promise<void> {
    await this.begin(start, place);
    while (this.begun.length > (runsAhead ? 1 : 0)) {
      const isMade = await this.hear();
      if (isMade || this.begun.length === 0) continue;
      this.begun.length = 0;
      await this.begin(start, place);
    }
  }

  /** Hears of all: before anything is made of the state. */
  async settle(): Promise<void> {
    while (this.begun.length > 0) await this.hear();
  }

  private async begin(start: () => Promise<StartedUpdate>, place: UpdatePlace): Promise<void> {
    const began = this.clock();
    const started = await start();
    this.begun.push({ started, place, seconds: this.clock() - began });
  }

  /** Waits for the first of them. @returns whether it was made. */
  private async hear(): Promise<boolean> {
    const [{ started, place, seconds }] = this.begun;
    const began = this.clock();
    const report = await started.report();
    this.begun.shift();
    this.record(report, place, seconds + this.clock() - began);
    return !report.overflow;
  }
}
