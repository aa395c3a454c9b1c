import { distance } from "fastest-levenshtein";

/**
 * The candidate that a mistyped name most probably meant, or undefined when none is close enough:
 * a third of the name may be wrong, or all that follows its first four letters may be missing or
 * too much. Dashes, underscores and letter case never count; one letter is never near anything.
 */
export function nearest(name: string, candidates: Iterable<string>): string | undefined {
  const wanted = plain(name);
  let best: { candidate: string; edits: number } | undefined;
  for (const candidate of candidates) {
    const edits = editsBetween(wanted, plain(candidate));
    if (best === undefined || edits < best.edits) best = { candidate, edits };
  }
  const allowed = Math.min(Math.max(2, Math.floor(wanted.length / 3)), wanted.length - 1);
  return best !== undefined && best.edits <= allowed ? best.candidate : undefined;
}

function plain(name: string): string {
  return name.toLowerCase().replaceAll(/[-_]/g, "");
}

function editsBetween(a: string, b: string): number {
  const isBeginning = Math.min(a.length, b.length) >= 4 && (a.startsWith(b) || b.startsWith(a));
  return isBeginning ? Math.min(distance(a, b), 2) : distance(a, b);
}

/** The remedy for an unknown name: "did you mean X?", or the whole list when nothing is near. */
export function didYouMean(name: string, candidates: Iterable<string>, otherwise: string): string {
  const guess = nearest(name, candidates);
  return guess === undefined ? otherwise : `did you mean ${guess}?`;
}
