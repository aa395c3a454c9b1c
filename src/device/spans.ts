// Where the time of a run goes: to the kernels of ops, or to what the host does around them.

/** Time spent in one thing, in microseconds of the host's clock (performance.now). */
export interface Span {
  /** An op, or what the host did. */
  readonly name: string;
  readonly start: number;
  readonly duration: number;
  /** Shapes of the operands, for a reader. */
  readonly detail: string;
  /**
   * `op`: kernels that the host's own thread took part in. `gpu`: kernels that ran beside the host, which
   * perhaps waited for them meanwhile. `host`: everything else; spans of the host may contain each other.
   * `step`: a whole step of training, which contains all that belongs to it.
   */
  readonly kind: "op" | "gpu" | "host" | "step";
}

/** What the host does while a GPU computes what it needs next. */
export const WAIT_FOR_GPU = "wait for the device";

/** Runs `act`; appends what it took, if somebody listens. */
export function timed<T>(spans: Span[] | undefined, name: string, act: () => T, detail = ""): T {
  if (!spans) return act();
  const start = performance.now();
  try {
    return act();
  } finally {
    spans.push(hostSpan(name, start, detail));
  }
}

/** The same for what takes several turns of the event loop. */
export async function timedTurns<T>(
  spans: Span[] | undefined,
  name: string,
  act: () => Promise<T>,
  kind: Span["kind"] = "host",
): Promise<T> {
  if (!spans) return await act();
  const start = performance.now();
  try {
    return await act();
  } finally {
    spans.push({ ...hostSpan(name, start, ""), kind });
  }
}

const hostSpan = (name: string, start: number, detail: string): Span => ({
  name,
  start: start * 1000,
  duration: (performance.now() - start) * 1000,
  detail,
  kind: "host",
});
