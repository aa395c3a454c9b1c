// Files that a run writes beside its checkpoints: the log, the profile.
import { appendFileSync, writeFileSync } from "node:fs";
import { UserError } from "../config/user_error.ts";

/** A file named by a flag. Every error of writing it names the flag and is the user's. */
export class NamedFile {
  /** Refuses what cannot be written now, not after hours of work; makes the file if it is absent. */
  constructor(
    private readonly flag: string,
    private readonly path: string,
  ) {
    this.append("");
  }

  append(text: string): void {
    this.attempt(() => appendFileSync(this.path, text));
  }

  /** Replaces the content. */
  write(text: string): void {
    this.attempt(() => writeFileSync(this.path, text));
  }

  private attempt(act: () => void): void {
    try {
      act();
    } catch (error) {
      throw new UserError({
        place: `${this.flag} ${this.path}`,
        problem: `cannot be written (${(error as NodeJS.ErrnoException).code})`,
        remedy: "name a file in a folder that exists, may be written to and has space left",
      });
    }
  }
}
