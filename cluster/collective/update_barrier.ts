// When an update may be applied: once every member holds the reduced gradients, and all that is needed to
// apply them. Then nobody can have applied an update that another one cannot apply too.
import type { MessageOf } from "../membership/messages.ts";
import { ranksOf, type View } from "../membership/view.ts";

export type Sums = Pick<MessageOf<"sums">, "rows" | "parameters" | "busy">;

/** An update that all members hold. */
export interface HeldUpdate {
  readonly step: number;
  /** By rank. */
  readonly sums: ReadonlyMap<number, Sums>;
}

export class UpdateBarrier {
  /** Updates made: also the number, from 0, of the one under way. */
  step: number;
  private members: readonly number[] = [];
  private reduced = false;
  private readonly ready = new Set<number>();
  /** Of the update under way and of the next one, which a quick peer may have begun. */
  private readonly sums = new Map<number, Map<number, Sums>>();

  constructor(step: number) {
    this.step = step;
  }

  /** Whether this peer holds all of the update under way. */
  get holds(): boolean {
    const sums = this.sums.get(this.step);
    return this.reduced && this.members.every((rank) => sums?.has(rank));
  }

  /** Begins, or begins again, the update that a view resumes at. */
  install(view: View): void {
    this.members = ranksOf(view.members);
    this.step = view.resume;
    this.reduced = false;
    this.ready.clear();
    this.sums.clear();
  }

  addSums(rank: number, step: number, sums: Sums): void {
    if (step !== this.step && step !== this.step + 1) return;
    const known = this.sums.get(step) ?? new Map<number, Sums>();
    this.sums.set(step, known.set(rank, sums));
  }

  hasSums(rank: number, step: number): boolean {
    return this.sums.get(step)?.has(rank) ?? false;
  }

  addReduced(): void {
    this.reduced = true;
  }

  addReady(rank: number, step: number): void {
    if (step === this.step) this.ready.add(rank);
  }

  /** What this peer holds of the update under way. */
  get held(): HeldUpdate | undefined {
    const sums = this.sums.get(this.step);
    return this.holds && sums ? { step: this.step, sums } : undefined;
  }

  /** The update, if all members hold it: it is then applied, and the next one is under way. */
  take(): HeldUpdate | undefined {
    const { held, step } = this;
    if (!held || !this.members.every((rank) => this.ready.has(rank))) return undefined;
    this.sums.delete(step);
    this.ready.clear();
    this.reduced = false;
    this.step = step + 1;
    return held;
  }
}

/** The criterion's sums by micro-batch. */
export const rowsOf = ({ sums }: HeldUpdate): ReadonlyMap<number, readonly number[]> =>
  new Map([...sums.values()].flatMap(({ rows }) => rows));
