// Whether a disturbed training came to what an undisturbed one came to.
import { join } from "node:path";
import { readSafetensors } from "../../../src/interop/safetensors.ts";
import { stateOf } from "../../end_to_end/run_folder.ts";
import type { LoggedUpdate, PeerProcess } from "./peer_process.ts";

const LAST = "checkpoint_last.safetensors";

/** How far two checkpoints are apart. */
export interface Distance {
  /** Largest difference of two numbers in the tensors: parameters and moments. */
  readonly tensors: number;
  /** Whether all else is equal too: meters, the best value, the place in the data. */
  readonly isWholeEqual: boolean;
}

export function distance(a: string, b: string, name = LAST): Distance {
  const isWholeEqual = JSON.stringify(stateOf(a, name)) === JSON.stringify(stateOf(b, name));
  const [first, second] = [a, b].map((folder) => readSafetensors(join(folder, name)));
  let tensors = 0;
  for (const [tensor, { bytes }] of first.tensors) {
    const other = second.tensors.get(tensor)?.bytes;
    if (other?.length !== bytes.length) throw new Error(`${tensor} is not of one size in both`);
    const [x, y] = [bytes, other].map((each) => new Float32Array(each.slice().buffer));
    for (let i = 0; i < x.length; i++) tensors = Math.max(tensors, Math.abs(x[i] - y[i]));
  }
  return { tensors, isWholeEqual };
}

/** Updates that each process makes must follow each other, but where it takes over a state. */
export function gapsOf(peer: PeerProcess): string[] {
  const takenOver = peer.lines
    .map(({ text }) => /peers' state: (\d+) updates|, (\d+) updates$/.exec(text))
    .flatMap((found) => (found ? [Number(found[1] ?? found[2])] : []));
  let last = 0;
  const gaps: string[] = [];
  for (const { update } of peer.made) {
    const follows = update === last + 1 || takenOver.includes(update);
    if (!follows && !takenOver.includes(update - 1)) {
      gaps.push(`rank ${peer.rank} made update ${update} after ${last}`);
    }
    last = update;
  }
  return gaps;
}

/** Each update must have the loss and the gradients that it has in an undisturbed training. */
export function strayUpdates(
  peer: PeerProcess,
  reference: readonly LoggedUpdate[],
  tolerance: number,
): string[] {
  const right = new Map(reference.map((each) => [each.update, each]));
  return peer.logged.flatMap(({ update, loss, gradientNorm }) => {
    const expected = right.get(update);
    const differences = [loss - (expected?.loss ?? Number.NaN)];
    differences.push(gradientNorm - (expected?.gradientNorm ?? Number.NaN));
    if (differences.every((each) => Math.abs(each) <= tolerance)) return [];
    const numbers = `loss ${loss} and gradient norm ${gradientNorm}`;
    const others = `${expected?.loss} and ${expected?.gradientNorm}`;
    return [`rank ${peer.rank}, update ${update}: ${numbers}, not ${others}`];
  });
}
