// Ctrl-C and the signals of schedulers. The first one lets the update finish and asks for a
// checkpoint; the second one ends the process at once, which harms nothing that is saved.
import process from "node:process";

const SIGNALS = { SIGINT: 2, SIGTERM: 15, SIGUSR1: 10 } as const;
type Signal = keyof typeof SIGNALS;

/** What a shell shows for a process that a signal ended. */
const exitCodeOf = (signal: Signal): number => 128 + SIGNALS[signal];

export class Interrupt {
  private received: Signal | undefined;
  /** Called at the first signal: ends what might wait for long. */
  hurry: () => void = () => undefined;
  /** Called whenever long work pauses for a moment. */
  onBreath: () => void = () => undefined;
  private readonly handlers: [Signal, () => void][];

  /** Listens from now on. @param log says what happens. */
  constructor(log: (line: string) => void) {
    const signals = Object.keys(SIGNALS) as Signal[];
    this.handlers = signals.map((signal) => [
      signal,
      () => {
        if (this.received) process.exit(exitCodeOf(signal));
        this.received = signal;
        this.hurry();
        log(`${signal}: finishing this update, then saving; once more ends at once`);
      },
    ]);
    for (const [signal, handler] of this.handlers) process.on(signal, handler);
  }

  /** The signal that asked to stop. */
  get signal(): Signal | undefined {
    return this.received;
  }

  /** Exit code for a run that stopped as asked; undefined if it was not asked. */
  get exitCode(): number | undefined {
    return this.received && exitCodeOf(this.received);
  }

  /** Lets signals reach JavaScript: a step runs without yielding. */
  async poll(): Promise<boolean> {
    this.onBreath();
    await new Promise((resolve) => setImmediate(resolve));
    return this.received !== undefined;
  }

  /** The same for work that goes on whatever was received. */
  readonly breathe = async (): Promise<void> => {
    await this.poll();
  };

  close(): void {
    for (const [signal, handler] of this.handlers) process.off(signal, handler);
  }
}
