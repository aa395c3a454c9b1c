// Cuts a text into sentences, because models are trained on sentences, and keeps the white space
// between them, so that a translation looks like its source.

/** Sentences of a text, and the white space before, between and behind them: one more than sentences. */
export interface SplitText {
  readonly sentences: readonly string[];
  readonly spaces: readonly string[];
}

const words = (list: string): ReadonlySet<string> => new Set(list.split(" "));

/** Words that a full stop belongs to. Lower case, without the stop. */
const ABBREVIATIONS = words(
  "mr mrs ms dr prof st vs ed jr sr inc ltd co corp gen col capt approx dept est " +
    "e.g i.e cf al etc z.b d.h u.a bzw ca vgl bd hrsg str tel usw inkl evtl ggf s.o s.u " +
    "jan feb mar apr jun jul aug sep sept okt oct nov dec dez a.m p.m u.s u.k",
);

/** Those that are abbreviations only before a number: "No. 5", but "I said no. Then I left." */
const BEFORE_NUMBERS = words("no nr fig abb eq vol pp p art sec");

/**
 * The end of a sentence: its marks, closing quotes and brackets; white space; then what may begin one. Looking
 * behind lets a match begin only where a row of marks does, or a long row of them would take quadratic time.
 */
const BOUNDARY =
  /(?<![.!?\u2026])([.!?\u2026]+["'\u2018\u2019\u201c\u201d\u00bb)\]]*)(\s+)(?=["'\u2018\u201c\u201e\u00ab([\u00bf\u00a1]?[\p{Lu}\p{Lt}\p{Lo}\p{N}])|(?<![\u3002\uff01\uff1f])([\u3002\uff01\uff1f]+["'\u2019\u201d\u300d\u300f\uff09]*)(\s*)/gu;

/** No abbreviation is longer, with its stop and what stands before it. */
const LONGEST_ABBREVIATION = 12;

/** Splits at line ends and behind full stops, question and exclamation marks. `joinSentences` undoes it. */
export function splitSentences(text: string): SplitText {
  const sentences: string[] = [];
  const spaces = [""];
  for (const [i, line] of text.split(/(\r\n|\n|\r)/u).entries()) {
    if (i % 2 === 1) spaces[spaces.length - 1] += line;
    else splitLine(line, sentences, spaces);
  }
  return { sentences, spaces };
}

/** @param translated as many as there were sentences. */
export function joinSentences(translated: readonly string[], spaces: readonly string[]): string {
  return translated.reduce((text, sentence, i) => text + sentence + spaces[i + 1], spaces[0]);
}

function splitLine(line: string, sentences: string[], spaces: string[]): void {
  const trimmed = line.trim();
  if (trimmed === "") {
    spaces[spaces.length - 1] += line;
    return;
  }
  const start = line.indexOf(trimmed);
  spaces[spaces.length - 1] += line.slice(0, start);
  let from = 0;
  for (const match of trimmed.matchAll(BOUNDARY)) {
    const [, marks = match[3], space = match[4]] = match;
    const end = match.index + marks.length;
    const last = trimmed.slice(Math.max(from, end - LONGEST_ABBREVIATION), end);
    const next = trimmed[end + space.length] ?? "";
    if (endsInAbbreviation(last, next) || end >= trimmed.length) continue;
    sentences.push(trimmed.slice(from, end));
    spaces.push(space);
    from = end + space.length;
  }
  sentences.push(trimmed.slice(from));
  spaces.push(line.slice(start + trimmed.length));
}

/**
 * Whether a stop belongs to its word: an abbreviation, an initial, or the number of a list's item.
 *
 * @param next the character behind the white space that follows.
 */
function endsInAbbreviation(sentence: string, next: string): boolean {
  if (/^\s*\p{N}{1,3}\.$/u.test(sentence)) return true;
  const [, word] = /(?:^|[\s("'\u201c\u201e\u00ab])([\p{L}.]+)\.$/u.exec(sentence) ?? [];
  if (word === undefined) return false;
  const lower = word.toLowerCase();
  if (BEFORE_NUMBERS.has(lower)) return /\p{N}/u.test(next);
  return /^\p{Lu}$/u.test(word) || ABBREVIATIONS.has(lower);
}
