// Slurm's short forms: lists of nodes, counts of tasks, and which node has which task.
import { UserError } from "../../src/config/user_error.ts";

/** More nodes than any list should have: a typing error must not fill the memory. */
const MAX_NODES = 65_536;

/**
 * "gnode[01-03,10],x7" -> gnode01, gnode02, gnode03, gnode10, x7. Several brackets in a name count like
 * the digits of a number, the last one fastest.
 *
 * @param place the variable, for the error.
 */
export function expandNodeList(text: string, place: string): string[] {
  const wrong = (): UserError =>
    new UserError({
      place,
      problem: `${JSON.stringify(text)} is not a list of nodes`,
      remedy: "leave the variable as Slurm sets it, or give --peers or --rendezvous",
    });
  const nodes: string[] = [];
  for (const [entry] of text.matchAll(/(?:\[[^\]]*\]|[^,])+|(?<=^|,)(?=,|$)/g)) {
    nodes.push(...expandEntry(entry, wrong));
    if (nodes.length > MAX_NODES) throw wrong();
  }
  return nodes;
}

function expandEntry(entry: string, wrong: () => UserError): string[] {
  // Odd parts stood in brackets.
  const parts = entry.trim().split(/\[([^[\]]*)\]/);
  let names = [""];
  for (const [index, part] of parts.entries()) {
    if (index % 2 === 0 && !/^[A-Za-z0-9._-]*$/.test(part)) throw wrong();
    const endings = index % 2 === 0 ? [part] : expandRanges(part, wrong);
    if (names.length * endings.length > MAX_NODES) throw wrong();
    names = names.flatMap((name) => endings.map((ending) => name + ending));
  }
  if (names.includes("")) throw wrong();
  return names;
}

/** "01-03,10" -> 01, 02, 03, 10. */
function expandRanges(text: string, wrong: () => UserError): string[] {
  return text.split(",").flatMap((range) => {
    const [, first, last = first] = /^(\d{1,9})(?:-(\d{1,9}))?$/.exec(range) ?? [];
    if (first === undefined || last === undefined) throw wrong();
    const count = Number(last) - Number(first) + 1;
    if (count < 1 || count > MAX_NODES) throw wrong();
    return Array.from({ length: count }, (_, index) =>
      String(Number(first) + index).padStart(first.length, "0"),
    );
  });
}

/** "2(x3),1" -> 2, 2, 2, 1. */
export function expandCounts(text: string, place: string): number[] {
  return text.split(",").flatMap((entry) => {
    const [, count, times = "1"] = /^(\d{1,6})(?:\(x(\d{1,5})\))?$/.exec(entry.trim()) ?? [];
    if (count !== undefined) return Array<number>(Number(times)).fill(Number(count));
    throw new UserError({
      place,
      problem: `${JSON.stringify(text)} is not a list of counts such as 2(x3),1`,
      remedy: "leave the variable as Slurm sets it, or give --peers or --rendezvous",
    });
  });
}

/** A task's place: the node's number in the list, and the task's number on the node. */
export interface TaskPlace {
  readonly node: number;
  readonly local: number;
}

/**
 * Where each rank runs. Slurm goes round the nodes and gives each so many tasks in a row, until it has
 * its count: 1 in a cyclic distribution, all in one by block, the plane's size in one by planes.
 */
export function placeTasks(counts: readonly number[], inRow: number): TaskPlace[] {
  const given = counts.map(() => 0);
  const places: TaskPlace[] = [];
  const total = counts.reduce((sum, count) => sum + count, 0);
  while (places.length < total) {
    for (const [node, count] of counts.entries()) {
      for (let row = 0; row < inRow && given[node] < count; row++) {
        places.push({ node, local: given[node]++ });
      }
    }
  }
  return places;
}
