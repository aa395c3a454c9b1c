// By which peers tell whether they have the same parameters.
import type { Arithmetic } from "../collective/codec.ts";
import type { SharedNumbers } from "./protocol.ts";

export class ParameterHash {
  private known: { readonly step: number; readonly hash: number } | undefined;

  constructor(
    private readonly numbers: SharedNumbers,
    private readonly arithmetic: Arithmetic,
  ) {}

  /** The last one taken; 0 if there is none. */
  get hash(): number {
    return this.known?.hash ?? 0;
  }

  /** Of the parameters as they are after so many steps: only to be called while nobody changes them. */
  take(step: number): void {
    if (this.known?.step === step) return;
    const { state, parameterBlocks } = this.numbers;
    let hash = 0;
    for (const { address, elements } of state.slice(0, parameterBlocks)) {
      hash = this.arithmetic.checksum(address, 4 * elements, hash);
    }
    this.known = { step, hash };
  }

  /** Others may change the parameters now. */
  forget(): void {
    this.known = undefined;
  }
}
