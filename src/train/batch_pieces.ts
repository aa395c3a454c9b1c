// A batch whose activations need much memory is computed in pieces of fewer sentences, whose gradients
// and losses add up. Activations are what grows with a batch; parameters and their state do not.
import type { Pending } from "../device/device.ts";
import type { HostTensor } from "../engine/compile.ts";
import type { HostSample } from "./host_sample.ts";
import type { RandomKey } from "./training_step.ts";

/** Micro-batches of an update number less than this: above, there is room for the pieces' numbers. */
const MICRO_BATCHES = 2 ** 20;

/** Into how many pieces of about equal size a batch is cut, so that none has more than `most` positions. */
export function pieceCount(
  { srcTokens, target }: Pick<HostSample, "srcTokens" | "target">,
  most: number,
): number {
  return piecesOfShape(srcTokens.shape[0], srcTokens.shape[1], target.shape[1], most);
}

/** The same for so many sentences of so many source and target tokens. One sentence is never cut. */
export function piecesOfShape(
  sentences: number,
  sourceWidth: number,
  targetWidth: number,
  most: number,
): number {
  const fitting = Math.max(1, Math.floor(most / (sourceWidth + targetWidth)));
  return Math.max(1, Math.ceil(sentences / fitting));
}

/** Cuts a batch by sentences; all pieces but the last are equally large. */
export function cutBatch(sample: HostSample, pieces: number): HostSample[] {
  if (pieces === 1) return [sample];
  const [sentences] = sample.srcTokens.shape;
  const size = Math.ceil(sentences / pieces);
  const rows = ({ data, shape: [, width] }: HostTensor, first: number): HostTensor => {
    const last = Math.min(sentences, first + size);
    return { data: data.subarray(first * width, last * width), shape: [last - first, width] };
  };
  const cut: HostSample[] = [];
  for (let first = 0; first < sentences; first += size) {
    cut.push({
      srcTokens: rows(sample.srcTokens, first),
      prevOutputTokens: rows(sample.prevOutputTokens, first),
      target: rows(sample.target, first),
      padding: sample.padding,
    });
  }
  return cut;
}

/** What a piece draws from: the first what the whole batch would, the others numbers of their own. */
export const pieceKey = (key: RandomKey, piece: number): RandomKey => ({
  ...key,
  microBatch: key.microBatch + piece * MICRO_BATCHES,
});

/** Sums of scalars by name, over pieces. */
export function sumOfPieces(pieces: readonly Record<string, Pending>[]): Record<string, Pending> {
  if (pieces.length === 1) return pieces[0];
  const total = (name: string): Pending => ({
    async read() {
      let sum = 0;
      for (const piece of pieces) sum += (await piece[name].read())[0];
      return Float32Array.of(sum);
    },
  });
  return Object.fromEntries(Object.keys(pieces[0]).map((name) => [name, total(name)]));
}
