import type { Program } from "../device/program.ts";

/** Bytes of temporaries that are alive at once, at most: no device needs fewer for them. */
export function peakBytes({ buffers, instructions }: Program): number {
  const changes = new Float64Array(instructions.length + 2);
  for (const buffer of buffers) {
    if (buffer.kind !== "temporary") continue;
    changes[buffer.first] += buffer.bytes;
    changes[buffer.last + 1] -= buffer.bytes;
  }
  let [alive, most] = [0, 0];
  for (const change of changes) {
    alive += change;
    most = Math.max(most, alive);
  }
  return most;
}
