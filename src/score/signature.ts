/** The version of sacreBLEU whose definitions weft computes, and whose signatures it therefore gives. */
export const SACREBLEU_VERSION = "2.4.3";

/** A field of a signature: name, one-letter name, value. */
export type SignatureField = readonly [name: string, letter: string, value: string];

/**
 * sacreBLEU's signature, "nrefs:1|case:mixed|...|version:2.4.3": equal signatures mean comparable scores. The
 * number is computed by weft with the definition of that version.
 */
export function signature(fields: readonly SignatureField[], short = false): string {
  const all: SignatureField[] = [...fields, ["version", "v", SACREBLEU_VERSION]];
  return all.map(([name, letter, value]) => `${short ? letter : name}:${value}`).join("|");
}

/** Number of references, "var" where segments differ in it. */
export function referencesField(counts: ReadonlySet<number>): SignatureField {
  return ["nrefs", "#", counts.size === 1 ? String([...counts][0]) : "var"];
}

export const caseField = (lowercase: boolean): SignatureField => [
  "case",
  "c",
  lowercase ? "lc" : "mixed",
];
