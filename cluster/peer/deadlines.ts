// How long a peer waits for others: until all have come, and once it is cut off from them.

export class Deadlines {
  private timer: ReturnType<typeof setTimeout> | undefined;
  private missing = "";

  /** @param late told why this peer ends, with what can be done. */
  constructor(
    private readonly seconds: number,
    private readonly late: (reason: string) => void,
  ) {
    const remedy =
      "start those that are missing, where all can reach each other, and see their logs";
    this.begin("not all peers came within", remedy);
  }

  /** @param missing who has not come yet, and why: told if this peer ends for want of them. */
  awaits(missing: string): void {
    this.missing = missing;
  }

  /** The others may have come to their end meanwhile: then nobody ever comes back. */
  suspended(reason: string): void {
    const remedy =
      "if the others have ended, their checkpoints have all that was trained; else start this peer again " +
      "once they can be reached, or give it a larger --start-timeout";
    this.begin(`${reason}, and nobody has come back within`, remedy);
  }

  /** They are there. */
  met(): void {
    clearTimeout(this.timer);
  }

  private begin(what: string, remedy: string): void {
    this.met();
    const end = (): void => {
      const missing = this.missing ? `, waiting for ${this.missing}` : "";
      this.late(`${what} ${this.seconds} s${missing}; ${remedy}`);
    };
    this.timer = setTimeout(end, this.seconds * 1000);
    // Whoever only waits for others has a communication thread that keeps it from ending.
    if (typeof this.timer === "object") this.timer.unref();
  }
}
