// A connection between two processes of the model: what one side sends comes to the other in order, late,
// or not at all if the connection breaks meanwhile.
import type { Process } from "./process.ts";

/** One side of a connection. */
export interface End {
  readonly process: Process;
  state: "greeting" | "open" | "closed";
  heardAt: number;
  /** When the last message towards this side arrives: none overtakes. */
  lastArrival: number;
  /** What a partition holds back. */
  readonly held: (() => void)[];
  /** Messages sent towards this side so far, and the number from which on they are lost. */
  sent: number;
  lostFrom: number;
}

export class Connection {
  readonly ends: readonly [End, End];

  constructor(a: Process, b: Process) {
    const end = (process: Process): End => ({
      ...{ process, state: "greeting", heardAt: 0, lastArrival: 0, held: [] },
      ...{ sent: 0, lostFrom: Number.POSITIVE_INFINITY },
    });
    this.ends = [end(a), end(b)];
  }

  endOf(process: Process): End {
    return this.ends[this.ends[0].process === process ? 0 : 1];
  }

  endBeyond(process: Process): End {
    return this.ends[this.ends[0].process === process ? 1 : 0];
  }
}
