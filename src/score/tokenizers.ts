// The tokenisers of sacreBLEU 2.4.3, as it defines them: they exist so that scores of different papers
// can be compared, so even their oddities are kept.
import { strip, tokenizeLine } from "../data/white_space.ts";

export type BleuTokenizer = "13a" | "intl" | "char" | "zh" | "none";

/** A line to a line whose tokens stand between white space. */
export const tokenizers: Record<BleuTokenizer, (line: string) => string> = {
  "13a": mteval13a,
  intl: international,
  char: (line) => [...line].join(" "),
  zh: chinese,
  none: (line) => line,
};

/** One space between words, none around them. */
const singleSpaced = (line: string): string => tokenizeLine(line).join(" ");

/** mteval-v13a.pl of WMT: Western languages. */
function mteval13a(line: string): string {
  let text = line.replaceAll("<skipped>", "").replaceAll("-\n", "").replaceAll("\n", " ");
  if (text.includes("&")) {
    text = text
      .replaceAll("&quot;", '"')
      .replaceAll("&amp;", "&")
      .replaceAll("&lt;", "<")
      .replaceAll("&gt;", ">");
  }
  return western(` ${text} `);
}

function western(line: string): string {
  return singleSpaced(
    line
      .replace(/([{-~[-` -&(-+:-@/])/gu, " $1 ")
      .replace(/([^0-9])([.,])/gu, "$1 $2 ")
      .replace(/([.,])([^0-9])/gu, " $1 $2")
      .replace(/([0-9])(-)/gu, "$1 $2 "),
  );
}

/** mteval-v14.pl's international mode: by Unicode's classes of punctuation, symbols and numbers. */
function international(line: string): string {
  return singleSpaced(
    line
      .replace(/(\P{N})(\p{P})/gu, "$1 $2 ")
      .replace(/(\p{P})(\P{N})/gu, " $1 $2")
      .replace(/(\p{S})/gu, " $1 "),
  );
}

/**
 * What the zh tokeniser takes for a Chinese character. U+2001 to U+2A6D and U+2F81 to U+2FA1 are there because
 * sacreBLEU means U+20000 to U+2A6D6 and U+2F800 to U+2FA1D but writes them with four digits too few.
 */
const chineseCharacter = new RegExp(
  "([\\u2001-\\u2a6d\\u2e80-\\u2eff\\u2f00-\\u2fdf\\u2ff0-\\u2fff\\u3000-\\u303f\\u3100-\\u312f" +
    "\\u31a0-\\u31bf\\u31c0-\\u31ef\\u3200-\\u32ff\\u3300-\\u33ff\\u3400-\\u4db5\\u4e00-\\u9fbb" +
    "\\uf900-\\ufa2d\\ufa30-\\ufa6a\\ufa70-\\ufad9\\ufe10-\\ufe1f\\ufe30-\\ufe4f\\uff00-\\uffef])",
  "gu",
);

function chinese(line: string): string {
  return western(strip(line).replace(chineseCharacter, " $1 "));
}
