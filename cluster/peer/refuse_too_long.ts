import { UserError } from "../../src/config/user_error.ts";
import { MAX_TEXT, textBytes } from "../wire/text_parts.ts";

const MIB = 2 ** 20;

/** @param what the text is. @throws UserError if it is longer than what peers take from each other. */
export function refuseTooLong(what: string, text: string, remedy: string): void {
  const bytes = textBytes(text);
  if (bytes <= MAX_TEXT) return;
  throw new UserError({
    place: what,
    problem: `has ${Math.ceil(bytes / MIB)} MiB, and peers tell each other ${MAX_TEXT / MIB} MiB at most`,
    remedy,
  });
}
