/** The rate at update 0: as given, or, below 0, what the schedule does without it. */
export function warmupStart(given: number, otherwise: number): number {
  return given < 0 ? otherwise : given;
}
