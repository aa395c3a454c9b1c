import type { Stage } from "./stage.ts";

/** A fault, and what must come of it. */
export interface Scenario {
  /** A sentence. */
  readonly name: string;
  /** Why it cannot be played here; undefined if it can. */
  readonly obstacle?: () => string | undefined;
  /** @returns what was measured, in words. @throws if anything is not as it must be. */
  readonly play: (stage: Stage) => Promise<string>;
}
