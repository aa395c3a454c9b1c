/**
 * A mistake in what we were given: a flag, a file, a sentence. The command line prints it
 * without a stack and exits with 2. It names the place, the problem (with the value), the remedy.
 */
export class UserError extends Error {
  constructor(readonly detail: { place: string; problem: string; remedy: string }) {
    super(`${detail.place}: ${detail.problem};\n  ${detail.remedy}`);
    this.name = "UserError";
  }
}
