// What must hold whatever fails, looked at over all peers at once whenever one of them installs a view or
// applies an update.
import { isSame, type View } from "../../../cluster/membership/view.ts";

/** Processes that know nothing of a cluster at work, and cannot reach any of it, have formed another. */
export class BegunAnew extends Error {}

/** The parameters before the first update, as one number; each update makes another number of it. */
export const UNTRAINED = 1;

/** What parameters become by update number `step` as the members of a generation sum it. */
export function updated(parameters: number, step: number, generation: number): number {
  let hash = parameters;
  for (const number of [step, generation]) {
    hash = Math.imul(hash ^ (hash >>> 15) ^ number, 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  }
  return hash >>> 0;
}

export class History {
  /** The parameters after each number of updates: there is one line of them, which nobody leaves. */
  private readonly line: number[] = [UNTRAINED];
  latest: View | undefined;
  violation: Error | undefined;

  /** Updates that somebody has made. */
  get updates(): number {
    return this.line.length - 1;
  }

  /**
   * A peer installs a view.
   *
   * @param living the views of all processes that live.
   */
  installed(rank: number, view: View, living: readonly View[]): void {
    const { latest } = this;
    const isHeir =
      !latest || view.members.some((each) => latest.members.some((other) => isSame(each, other)));
    if (!isHeir) this.violation ??= new BegunAnew();
    for (const known of living) {
      if (known.generation === view.generation && textOf(known) !== textOf(view)) {
        this.violated(`rank ${rank} installs ${textOf(view)}, and there is ${textOf(known)}`);
      }
    }
    if (view.generation >= (latest?.generation ?? 0)) this.latest = view;
  }

  /** A peer has these parameters after so many updates. */
  reached(rank: number, step: number, parameters: number): void {
    if (step > this.line.length) this.violated(`rank ${rank} has skipped to ${step} updates`);
    const known = this.line[step] ?? parameters;
    if (known !== parameters) {
      this.violated(`rank ${rank} has other parameters than others had after ${step} updates`);
    }
    this.line[step] = parameters;
  }

  /** Something has happened that must not: what first did. */
  violated(what: string): void {
    this.violation ??= new Error(what);
  }
}

export const textOf = ({ generation, members, resume, fetching }: View): string => {
  const names = members.map(({ rank, incarnation }) => `${rank}.${incarnation}`).join(" ");
  return `${generation}: ${names} after ${resume}, ${fetching.join(" ") || "none"} fetching`;
};
