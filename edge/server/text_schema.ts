// Texts that we take: well-formed Unicode without control characters. A lone surrogate has no UTF-8,
// and a NUL or an escape sequence in a text is an accident or an attack, never a word.
import * as z from "zod";

/**
 * As it stands in openapi.json: neither controls nor surrogates, but tab to carriage return and NEL,
 * which are white space. Written in ranges, which more readers of such documents know than \p{Cc}.
 */
const ALLOWED = "^[^\\u0000-\\u0008\\u000E-\\u001F\\u007F-\\u0084\\u0086-\\u009F\\uD800-\\uDFFF]*$";
const allowed = new RegExp(ALLOWED, "u");

/** A text of at most `length` UTF-16 units. */
export function textUpTo(length: number): z.ZodString {
  // A text that is too long is not looked at further.
  return z
    .string()
    .max(length, { abort: true })
    .regex(allowed, { error: ({ input }) => faultOf(String(input)) });
}

/** Names the first character that is refused, and where it stands. */
function faultOf(text: string): string {
  let index = 0;
  for (const character of text) {
    if (!allowed.test(character)) break;
    index += character.length;
  }
  const unit = text.charCodeAt(index);
  const name = `U+${unit.toString(16).toUpperCase().padStart(4, "0")}`;
  const kind = unit >= 0xd800 ? "a lone surrogate" : "a control character";
  return `${kind}, ${name}, stands at ${index}`;
}
