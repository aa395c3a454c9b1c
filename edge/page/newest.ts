/** Runs only what was asked for last: a new task waits for a pause, and ends the one before. */
export class Newest {
  private timer: ReturnType<typeof setTimeout> | undefined;
  private controller = new AbortController();

  /**
   * @param task told by its signal when it is no longer wanted; it handles its own errors.
   * @param pause milliseconds in which nothing newer may come.
   */
  run(task: (signal: AbortSignal) => Promise<void>, pause: number): void {
    this.cancel();
    const { signal } = this.controller;
    this.timer = setTimeout(() => void task(signal), pause);
  }

  /** Ends what runs, and forgets what waits. */
  cancel(): void {
    clearTimeout(this.timer);
    this.controller.abort();
    this.controller = new AbortController();
  }
}
