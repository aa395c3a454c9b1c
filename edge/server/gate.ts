import { draining } from "./refusals.ts";

/** Lets requests in until it is closed, and knows when the last one has left. */
export interface Gate {
  readonly isClosed: boolean;
  /** @returns what lets the request out again. @throws Problem 503 once the gate is closed. */
  enter(): () => void;
  /** As `enter`, for work of a request that is inside already. */
  hold(): () => void;
  /** Resolves when all have left. */
  close(): Promise<void>;
}

export function createGate(): Gate {
  let inside = 0;
  let isClosed = false;
  let tellEmpty = (): void => undefined;
  const empty = new Promise<void>((resolve) => {
    tellEmpty = resolve;
  });
  const tellIfEmpty = (): void => {
    if (isClosed && inside === 0) tellEmpty();
  };
  const hold = (): (() => void) => {
    inside++;
    return () => {
      inside--;
      tellIfEmpty();
    };
  };
  return {
    get isClosed() {
      return isClosed;
    },
    enter() {
      if (isClosed) throw draining();
      return hold();
    },
    hold,
    close() {
      isClosed = true;
      tellIfEmpty();
      return empty;
    },
  };
}
