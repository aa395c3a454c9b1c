// JSON that keeps every number: infinities, NaN and -0, for which JSON has no words.

const EXACT = "$number";

/** As JSON.stringify. */
export const toExactJson = (value: unknown): string =>
  JSON.stringify(value, (_, each: unknown) => {
    if (typeof each !== "number") return each;
    if (Object.is(each, -0)) return { [EXACT]: "-0" };
    return Number.isFinite(each) ? each : { [EXACT]: String(each) };
  });

/** What `toExactJson` was given. @throws SyntaxError if the text is no JSON. */
export const fromExactJson = (text: string): unknown =>
  JSON.parse(text, (_, each: unknown) =>
    isRecord(each) && typeof each[EXACT] === "string" ? Number(each[EXACT]) : each,
  );

export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
