import { TemporaryFailure } from "../../src/config/temporary_failure.ts";
import { UserError } from "../../src/config/user_error.ts";

/**
 * How a job ends, from the words that peers tell each other: "what is wrong; what to do".
 * @param isMistake whether the user must mend it, or another attempt may go better.
 */
export function failureOf(reason: string, isMistake: boolean): UserError {
  const [problem, ...rest] = reason.split(/[;\n]\s*/);
  const remedy = rest.join("; ") || "see the logs of the other peers";
  const Failure = isMistake ? UserError : TemporaryFailure;
  return new Failure({ place: "cluster", problem, remedy });
}
