// One process of a race: FOLDER WINS. Swaps until it has won that often, and prints what it won.
import process from "node:process";
import { FileFence } from "../../../cluster/fence/file_fence.ts";

const [folder = "", wins = "0"] = process.argv.slice(2);
const fence = new FileFence(folder);
const won: number[] = [];
for (let standing = await fence.read(); won.length < Number(wins); ) {
  const expected = standing?.generation ?? 0;
  const next = { generation: expected + 1, view: { winner: process.pid, after: standing?.view } };
  // A view names only what stood before, not all of the past.
  if (typeof next.view.after === "object") next.view.after = { generation: expected };
  standing = await fence.swap(expected, next);
  if (standing === next) won.push(next.generation);
}
console.log(JSON.stringify({ pid: process.pid, won }));
