import type { RequestOptions } from "../runtime/translator.ts";
import { find } from "./elements.ts";

export interface SearchControls {
  /** @throws Error in words for a number that will not do. */
  read(): RequestOptions;
}

/** The fields below the text. Their limits stand in index.html; a server may have narrower ones. */
export function searchControls(changed: () => void): SearchControls {
  const form = find("search", HTMLFormElement);
  const alignments = find("alignments", HTMLInputElement);
  form.addEventListener("input", changed);
  form.addEventListener("submit", (event) => event.preventDefault());
  return {
    read: () => ({
      beam: numberIn("beam"),
      nbest: numberIn("nbest"),
      lenpen: numberIn("lenpen"),
      max_len: numberIn("max_len"),
      alignments: alignments.checked,
    }),
  };
}

function numberIn(id: string): number {
  const field = find(id, HTMLInputElement);
  if (field.checkValidity()) return field.valueAsNumber;
  const name = field.labels?.[0]?.textContent?.trim() ?? id;
  throw new Error(`${name}: ${field.validationMessage}`);
}
