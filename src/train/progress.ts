// The log of a training run in the format the user chose, with a bar on a terminal.
import {
  jsonProgress,
  jsonSummary,
  type LogFormat,
  type LogPlace,
  logLine,
  simpleProgress,
  simpleSummary,
} from "./log_format.ts";
import type { Stats } from "./metrics.ts";
import { progressLine } from "./progress_line.ts";

/** Where the log goes. */
export interface LogOutput {
  /** One line of the log. */
  line(text: string): void;
  /** Text for the terminal as it is, for drawing; called only under the format tqdm. */
  draw(text: string): void;
  /** Width of the terminal. */
  readonly columns: number;
}

export interface TrainingLogOptions {
  /** As chooseLogFormat chose it. */
  readonly format: LogFormat;
  readonly output: LogOutput;
  /** Seconds, from any origin. */
  readonly clock: () => number;
  /** Time of day, for the start of lines. */
  readonly now: () => Date;
}

const ERASE = "\r\x1b[K";
const SECONDS_BETWEEN_DRAWS = 0.1;

/** The log of one run: lines go above the bar, if there is one. */
export class TrainingLog {
  private readonly bars: EpochProgress[] = [];
  private shows = (): boolean => true;

  constructor(readonly options: TrainingLogOptions) {}

  /**
   * From now on progress is shown only while this holds: of several peers, by the one that leads. Lines
   * of text always are.
   */
  showProgressWhile(shows: () => boolean): void {
    this.shows = shows;
  }

  get showsProgress(): boolean {
    return this.shows();
  }

  /** A line of any text, whatever the format. */
  info(source: string, text: string): void {
    const bar = this.bars.at(-1);
    bar?.erase();
    this.options.output.line(logLine(this.options.now(), source, text));
    bar?.draw();
  }

  /**
   * Begins an epoch, or a validation within it (whose bar takes the place of the epoch's until it
   * is closed). `place.done` is what a resumed run finds done.
   */
  begin(place: LogPlace): EpochProgress {
    this.bars.at(-1)?.erase();
    const progress: EpochProgress = new EpochProgress(this, place, () => {
      this.bars.splice(this.bars.indexOf(progress), 1);
      this.bars.at(-1)?.draw();
    });
    if (this.options.format === "tqdm") this.bars.push(progress);
    progress.draw();
    return progress;
  }
}

/** Progress through an epoch or a validation. */
export class EpochProgress {
  private done: number;
  private stats: Stats = new Map();
  private readonly begun: number;
  private drawn = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly log: TrainingLog,
    private readonly start: LogPlace,
    private readonly closed: () => void,
  ) {
    this.done = start.done;
    this.begun = log.options.clock();
  }

  /** One more update (or batch) is done. */
  advance(): void {
    this.done++;
    if (this.log.options.clock() - this.drawn >= SECONDS_BETWEEN_DRAWS) this.draw();
  }

  /** Means since the last such line: what --log-interval asks for. */
  report(source: string, stats: Stats): void {
    const { format } = this.log.options;
    this.stats = stats;
    if (!this.log.showsProgress) return;
    if (format === "json") this.log.info(source, jsonProgress(this.place, stats));
    else if (format === "simple") this.log.info(source, simpleProgress(this.place, stats));
    else this.draw();
  }

  /** Means of the whole: what stands at the end. */
  summarize(source: string, stats: Stats): void {
    const { format } = this.log.options;
    if (!this.log.showsProgress) return;
    if (format === "json") this.log.info(source, jsonSummary(this.place, source, stats));
    else if (format !== "none") this.log.info(source, simpleSummary(this.place, stats));
  }

  /** Takes the bar away. */
  close(): void {
    this.erase();
    this.closed();
  }

  /** Draws the bar, under the format that has one. */
  draw(): void {
    const { format, output, clock } = this.log.options;
    if (format !== "tqdm" || !this.log.showsProgress) return;
    this.drawn = clock();
    const seconds = this.drawn - this.begun;
    const columns = output.columns - 1;
    output.draw(ERASE + progressLine(this.place, seconds, this.start.done, this.stats, columns));
  }

  /** Clears the line that the bar stands on. */
  erase(): void {
    if (this.log.options.format === "tqdm") this.log.options.output.draw(ERASE);
  }

  private get place(): LogPlace {
    return { ...this.start, done: this.done };
  }
}
