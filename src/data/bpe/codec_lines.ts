// subword-nmt reads text through Python's codecs, which end a line at all of these. The end stays with
// its line: of it only CR and LF are white space to subword-nmt, the others belong to the last word.
const ENDS = "\\n\\r\\v\\f\\u001c-\\u001e\\u0085\\u2028\\u2029";
const LINE = new RegExp(`[^${ENDS}]*(?:\\r\\n|[${ENDS}])|[^${ENDS}]+$`, "g");

/** The lines of a text, with their ends, as Python's codecs.open() gives them. */
export function* codecLines(text: string): Generator<string> {
  for (const [line] of text.matchAll(LINE)) yield line;
}
