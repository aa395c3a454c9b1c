// A linearizable register that takes its time, and may fail before or after the swap has happened.
import type { View } from "../../../cluster/membership/view.ts";
import type { Process } from "./process.ts";
import type { UnreliableNetwork } from "./unreliable_network.ts";

export class ModelRegister {
  standing: View | undefined;
  /** Answers that their callers, who await them, have not looked at. */
  private answers = 0;

  /** @param standing what an earlier run has left. */
  constructor(
    private readonly network: UnreliableNetwork,
    standing: View | undefined,
  ) {
    this.standing = standing;
  }

  swap(process: Process, expected: number, next: View): Promise<View> {
    const { network } = this;
    const { random, time } = network;
    const fails = random.random() < 0.1;
    return new Promise((resolve, reject) => {
      const answer = (act: () => void): void => {
        time.after(this.delay(), () =>
          network.run(process, () => {
            act();
            this.answers++;
          }),
        );
      };
      time.after(this.delay(), () => {
        const error = new Error("the register cannot be reached");
        if (fails && random.random() < 0.5) {
          answer(() => reject(error));
          return;
        }
        if ((this.standing?.generation ?? 0) === expected) this.standing = next;
        const found = this.standing ?? next;
        answer(() => (fails ? reject(error) : resolve(found)));
      });
    });
  }

  get hasAnswered(): boolean {
    return this.answers > 0;
  }

  /** Lets those who await answers go on. */
  async settle(): Promise<void> {
    for (; this.answers > 0; this.answers--) {
      for (let turn = 0; turn < 4; turn++) await undefined;
    }
  }

  private delay(): number {
    const { random } = this.network;
    return random.uniform(1, random.random() < 0.1 ? 1500 : 40);
  }
}
