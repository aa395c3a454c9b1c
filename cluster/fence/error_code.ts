import { constants } from "node:os";

/** "EEXIST" and the like; undefined for other errors. Deno says of the rarer ones only "(os error 95)". */
export function errorCode(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code } = error as NodeJS.ErrnoException;
  const [, number] = /\(os error (\d+)\)/.exec(error.message) ?? [];
  if (code !== undefined || number === undefined) return code;
  return Object.entries(constants.errno).find(([, value]) => value === Number(number))?.[0];
}
