// Python's idea of white space, which fairseq's files are split and stripped by. JavaScript's \s
// differs: it has U+FEFF and lacks U+001C to U+001F and U+0085.

/** The 29 code points at which Python's str.split() splits, as the inside of a character class. */
export const WHITE_SPACE =
  "\\t\\n\\v\\f\\r\\u001c-\\u0020\\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";

const runs = new RegExp(`[${WHITE_SPACE}]+`, "u");
const leading = new RegExp(`^[${WHITE_SPACE}]+`, "u");
const single = new RegExp(`[${WHITE_SPACE}]`, "u");

/** Words of a line, as fairseq's tokenize_line: split at runs of white space, no empty words. */
export function tokenizeLine(line: string): string[] {
  const words = line.split(runs);
  if (words.at(-1) === "") words.pop();
  if (words[0] === "") words.shift();
  return words;
}

/** Python's str.rstrip(). */
export function stripEnd(text: string): string {
  let end = text.length;
  while (end > 0 && single.test(text.charAt(end - 1))) end--;
  return text.slice(0, end);
}

/** Python's str.strip(). */
export function strip(text: string): string {
  return stripEnd(text.replace(leading, ""));
}
