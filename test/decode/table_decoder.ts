// A model that is a table: rows of log-probabilities chosen by source, step and last token.
import { readFileSync } from "node:fs";
import type {
  CandidateRequest,
  DecoderState,
  DecodeStart,
  SourceBatch,
  StepDecoder,
  StepInput,
  StepRows,
} from "../../src/decode/step_decoder.ts";
import { rowCandidates } from "../../src/decode/token_rules.ts";
import { goldenPath } from "../support/golden.ts";

/** (G, P, V, V) log-probabilities: source group, step modulo P, last token, next token. */
export interface Table {
  readonly shape: readonly [number, number, number, number];
  readonly data: Float32Array;
}

/** Float32 tensors of a safetensors file. */
export function readTensors(path: string): Record<string, { shape: number[]; data: Float32Array }> {
  const bytes = new Uint8Array(readFileSync(goldenPath(path))); // a plain copy: a Buffer slices in place
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const headerLength = Number(view.getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + headerLength)));
  const tensors: Record<string, { shape: number[]; data: Float32Array }> = {};
  for (const [name, entry] of Object.entries<{
    dtype: string;
    shape: number[];
    data_offsets: number[];
  }>(header)) {
    if (name === "__metadata__" || entry.dtype !== "F32") continue;
    const [from, to] = entry.data_offsets.map((offset) => offset + 8 + headerLength);
    tensors[name] = { shape: entry.shape, data: new Float32Array(bytes.slice(from, to).buffer) };
  }
  return tensors;
}

/** How a table model behaves. */
export interface TableOptions {
  readonly pad?: number;
  readonly maxPositions?: number;
  /** Chooses candidates itself, as a decoder on a device would. */
  readonly offersCandidates?: boolean;
  /** A language model ignores the source. */
  readonly ignoresSource?: boolean;
}

export function tableDecoder(table: Table, options: TableOptions = {}): StepDecoder {
  const vocabulary = table.shape[3];
  return {
    vocabulary,
    maxPositions: options.maxPositions ?? Number.POSITIVE_INFINITY,
    start: async (batch, start) => new TableState(table, batch, start, options),
  };
}

class TableState implements DecoderState {
  readonly candidates: DecoderState["candidates"];
  private groups: Int32Array;

  constructor(
    private readonly table: Table,
    batch: SourceBatch,
    private readonly begin: DecodeStart,
    options: TableOptions,
  ) {
    const pad = options.pad ?? 1;
    this.groups = Int32Array.from({ length: batch.sentences * begin.beam }, (_, row) => {
      if (options.ignoresSource) return 0;
      const from = Math.trunc(row / begin.beam) * batch.width;
      const source = batch.tokens.subarray(from, from + batch.width);
      return (source.find((token) => token !== pad) ?? 4) - 4;
    });
    if (options.offersCandidates) {
      this.candidates = async (input: StepInput, request: CandidateRequest) =>
        rowCandidates(this.rows(input), input.rows, table.shape[3], request);
    }
  }

  async step(input: StepInput): Promise<StepRows> {
    return { logProbs: this.rows(input) };
  }

  private rows({ step, rows, tokens, reorder }: StepInput): Float32Array {
    if (reorder) this.groups = reorder.map((row) => this.groups[row]);
    const { shape, data } = this.table;
    const [, period, , vocabulary] = shape;
    const out = new Float32Array(rows * vocabulary);
    for (let row = 0; row < rows; row++) {
      const from =
        ((this.groups[row] * period + (step % period)) * vocabulary + tokens[row]) * vocabulary;
      const line = data.subarray(from, from + vocabulary);
      out.set(
        this.begin.temperature === 1 ? line : sharpened(line, this.begin.temperature),
        row * vocabulary,
      );
    }
    return out;
  }
}

function sharpened(row: Float32Array, temperature: number): Float32Array {
  const scaled = row.map((value) => value / temperature);
  const max = scaled.reduce((a, b) => Math.max(a, b));
  const total = scaled.reduce((sum, value) => sum + Math.exp(value - max), 0);
  return scaled.map((value) => value - max - Math.log(total));
}
