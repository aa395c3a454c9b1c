// The job of bench/javascript_peers.ts on its way to the processes that do it: one JSON document, and one
// file of numbers.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { StepSizes } from "./peer_step.ts";

export interface NamedArray {
  readonly name: string;
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

export interface JavascriptJob extends StepSizes {
  readonly padding: number;
  readonly smoothing: number;
  readonly lr: number;
  readonly betas: readonly [number, number];
  readonly epsilon: number;
  readonly steps: number;
  /** Target tokens that are not padding: the loss is divided by them. */
  readonly ntokens: number;
  /** (B, S). */
  readonly source: Int32Array;
  /** (B, T), the target shifted right. */
  readonly previous: Int32Array;
  /** (B, T). */
  readonly target: Int32Array;
  /** Rows that are added to embeddings, (max(S, T), C). */
  readonly positions: Float32Array;
  /** By fairseq's names; a shared one once, under its first name. */
  readonly parameters: readonly NamedArray[];
}

interface Place {
  /** Bytes from the beginning of the file. */
  readonly start: number;
  /** Elements of four bytes. */
  readonly length: number;
}

const FILES = { document: "job.json", numbers: "numbers.bin" };

export function writeJob(folder: string, job: JavascriptJob): void {
  const parts: Uint8Array[] = [];
  let start = 0;
  const document = JSON.stringify(job, (_, value: unknown): unknown => {
    if (!(value instanceof Int32Array || value instanceof Float32Array)) return value;
    const place: Place = { start, length: value.length };
    parts.push(new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
    start += value.byteLength;
    return place;
  });
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, FILES.document), document);
  writeFileSync(join(folder, FILES.numbers), Buffer.concat(parts));
}

export function readJob(folder: string): JavascriptJob {
  const job = JSON.parse(readFileSync(join(folder, FILES.document), "utf8"));
  const { buffer, byteOffset } = readFileSync(join(folder, FILES.numbers));
  const bytes = ({ start, length }: Place) =>
    buffer.slice(byteOffset + start, byteOffset + start + 4 * length) as ArrayBuffer;
  const floats = (place: Place) => new Float32Array(bytes(place));
  const integers = (place: Place) => new Int32Array(bytes(place));
  const named = (job.parameters as readonly { data: Place }[]).map((each) => ({
    ...each,
    data: floats(each.data),
  }));
  return {
    ...job,
    ...{ source: integers(job.source), previous: integers(job.previous) },
    ...{ target: integers(job.target), positions: floats(job.positions), parameters: named },
  };
}

/** What a process prints for each step, as a line of JSON. */
export interface StepReport {
  /** Per token in nats, before the step. */
  readonly loss: number;
  readonly milliseconds: number;
}

/** Runs the steps one after the other. @param step one update; answers with the loss it began with. */
export async function reportSteps(steps: number, step: () => Promise<number>): Promise<void> {
  for (let i = 0; i < steps; i++) {
    const began = performance.now();
    const loss = await step();
    const report: StepReport = { loss, milliseconds: performance.now() - began };
    console.log(JSON.stringify(report));
  }
}
