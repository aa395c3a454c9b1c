// How long a peer waits for others: until all have come, and once it is cut off from them.

export class Deadlines {
  private timer: ReturnType<typeof setTimeout> | undefined;

  /** @param late told why this peer ends, with what can be done. */
  constructor(
    private readonly seconds: number,
    private readonly late: (reason: string) => void,
  ) {
    this.begin("not all peers came within", "see the lines above for who is missing");
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
    const end = (): void => this.late(`${what} ${this.seconds} s; ${remedy}`);
    this.timer = setTimeout(end, this.seconds * 1000);
    // Whoever only waits for others has a communication thread that keeps it from ending.
    if (typeof this.timer === "object") this.timer.unref();
  }
}
