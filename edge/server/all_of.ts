import { UserError } from "../../src/config/user_error.ts";
import type { Call } from "./endpoint.ts";

/**
 * Runs a text of a request, or several together. When one fails the others are stopped, and waited
 * for: a request's turn ends with its last step. An error of one of several tells which: "text[2]".
 */
export async function allOf<T>(
  call: Call,
  texts: string | readonly string[],
  field: string,
  run: (text: string, index: number) => Promise<T>,
): Promise<T[]> {
  if (typeof texts === "string") return [await run(texts, 0)];
  const runs = texts.map(async (text, index) => {
    try {
      return await run(text, index);
    } catch (error) {
      throw located(error, field, index);
    }
  });
  try {
    return await Promise.all(runs);
  } catch (error) {
    call.stop(error);
    await Promise.allSettled(runs);
    throw error;
  }
}

function located(error: unknown, field: string, index: number): unknown {
  if (!(error instanceof UserError) || error.detail.place !== field) return error;
  return new UserError({ ...error.detail, place: `${field}[${index}]` });
}
