// The edge's kernels against their float64 meaning. They only infer, so there are no gradients to check.
import { describe, expect, test } from "bun:test";
import { quantiseInt4, quantiseInt8 } from "../../edge/export/quantise.ts";
import { compileKernelFile } from "../../edge/platforms/file_kernels.ts";
import { hasRelaxedSimd, type KernelFile } from "../../edge/runtime/kernel_file.ts";
import { Kernels } from "../../edge/runtime/kernels.ts";
import { ACTIVATIONS } from "../../edge/runtime/manifest.ts";
import { EPILOGUES } from "../../kernels/matmul/activation.ts";
import {
  attendRow,
  type IntegerMatrix,
  int4At,
  quantisedLinear,
  quantiseRows,
} from "../../kernels/quantised/reference.ts";
import { seededRandom } from "../support/random.ts";

const random = seededRandom(20);
const normals = (count: number): Float32Array =>
  Float32Array.from({ length: count }, () => random.normal());

function expectClose(got: ArrayLike<number>, want: ArrayLike<number>, tolerance: number): void {
  expect(got.length).toBe(want.length);
  for (let i = 0; i < want.length; i++) {
    const difference = Math.abs(got[i] - want[i]);
    if (!(difference <= tolerance)) throw new Error(`element ${i} is ${got[i]}, not ${want[i]}`);
  }
}

/** (M, N, K): single rows, whole tiles, all remainders, widths that are no multiple of 32. */
const SHAPES = [
  [1, 4, 32],
  [1, 7, 48],
  [2, 3, 5],
  [3, 9, 64],
  [4, 2, 33],
  [5, 6, 100],
  [6, 5, 8],
  [12, 11, 96],
  [1, 1, 1],
] as const;

interface Quantised extends IntegerMatrix {
  readonly run: (x: number, M: number, bias: number, y: number, stepY: number) => void;
}

/** The same tests for each module. */
function kernelSuite(kernels: Kernels): void {
  /** Bytes in the kernels' memory; freed with the process. */
  function place(data: Float32Array | Int8Array | Uint8Array | Int32Array): number {
    const address = kernels.heap.allocate(data.byteLength);
    kernels
      .bytesAt(address, data.byteLength)
      .set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    return address;
  }

  const space = (bytes: number): number => kernels.heap.allocate(bytes);

  type QuantiseRows = "quantise_rows" | "quantise_rows_i16";

  function quantiseActivations(kind: QuantiseRows, x: number, M: number, K: number) {
    const q = space(2 * Math.ceil(K / 32) * 32 * M);
    const rows = space(8 * M);
    kernels.run[kind](x, q, rows, M, K);
    return { q, rows };
  }

  function int8(weight: Float32Array, N: number, K: number): Quantised {
    const { values, scales } = quantiseInt8(weight, N, K);
    const width = values.length / N;
    const [w, ws] = [place(values), place(scales)];
    kernels.run.prepare_i8(w, values.length);
    return {
      ...{ rows: N, columns: K, scales },
      integer: (n, k) => values[n * width + k],
      run(x, M, bias, y, stepY) {
        const { q, rows } = quantiseActivations("quantise_rows", x, M, K);
        kernels.run.linear_i8(q, rows, w, ws, bias, y, stepY, M, N, K, 0);
      },
    };
  }

  function int4(weight: Float32Array, N: number, K: number): Quantised {
    const { nibbles, steps, scales } = quantiseInt4(weight, N, K);
    const blocks = steps.length / N;
    const [w, s, ws] = [place(nibbles), place(steps), place(scales)];
    return {
      ...{ rows: N, columns: K, scales },
      integer: (n, k) => int4At(nibbles, steps, blocks, n, k),
      run(x, M, bias, y, stepY) {
        const { q, rows } = quantiseActivations("quantise_rows_i16", x, M, K);
        const scratch = space(64 * blocks);
        kernels.run.linear_i4(q, rows, w, s, ws, bias, y, scratch, stepY, M, N, K, 0);
      },
    };
  }

  for (const [name, quantise] of Object.entries({ linear_i8: int8, linear_i4: int4 })) {
    test(`${name} computes its reference at every shape`, () => {
      for (const [M, N, K] of SHAPES) {
        const x = normals(M * K);
        const bias = normals(N);
        const matrix = quantise(normals(N * K), N, K);
        const y = space(4 * M * (N + 3));
        kernels.floatsAt(y, M * (N + 3)).fill(7);
        matrix.run(place(x), M, place(bias), y, 4 * (N + 3));
        const want = quantisedLinear(x, M, matrix, bias);
        const got = kernels.floatsAt(y, M * (N + 3));
        for (let m = 0; m < M; m++) {
          const row = got.slice(m * (N + 3), (m + 1) * (N + 3));
          expectClose(row.subarray(0, N), want.subarray(m * N, (m + 1) * N), 2e-5 * Math.sqrt(K));
          expect(Array.from(row.subarray(N))).toEqual([7, 7, 7]);
        }
      }
    });

    test(`${name} gives a row the same bits alone and among others`, () => {
      for (const [, N, K] of SHAPES) {
        const M = 8;
        const x = place(normals(M * K));
        const matrix = quantise(normals(N * K), N, K);
        const [all, one] = [space(4 * M * N), space(4 * N)];
        matrix.run(x, M, 0, all, 4 * N);
        for (let m = 0; m < M; m++) {
          matrix.run(x + 4 * m * K, 1, 0, one, 4 * N);
          const among = kernels.floatsAt(all + 4 * m * N, N);
          expect(Array.from(kernels.floatsAt(one, N))).toEqual(Array.from(among));
        }
      }
    });
  }

  test("quantise_rows_i16() rounds to the nearest, pads with zeros, and shows what is no number", () => {
    const K = 37;
    const x = normals(4 * K);
    x.fill(0, K, 2 * K);
    x[2 * K + 5] = Number.NaN;
    const { q, rows } = quantiseActivations("quantise_rows_i16", place(x), 4, K);
    const want = quantiseRows(x, 4, K);
    const integers = new Int16Array(kernels.bytesAt(q, 4 * 128).slice().buffer);
    for (const m of [0, 1, 3]) {
      const row = integers.subarray(m * 64, (m + 1) * 64);
      expectClose(row.subarray(0, K), want.q.subarray(m * K, (m + 1) * K), 0);
      expect(row.subarray(K).every((value) => value === 0)).toBe(true);
    }
    const [first, , zeros, , damaged, , last] = kernels.floatsAt(rows, 8);
    expect(zeros).toBe(0);
    expect(damaged).toBeNaN();
    expectClose([first, last], [want.scales[0], want.scales[3]], 1e-6);
  });

  test("linear_f32 computes x W^T + bias, the same bits for a row alone", () => {
    for (const [M, N, K] of SHAPES) {
      const [x, w, bias] = [normals(M * K), normals(N * K), normals(N)];
      const [px, pw, pb, scratch] = [place(x), place(w), place(bias), space(16)];
      const [y, one] = [space(4 * M * N), space(4 * N)];
      kernels.run.linear_f32(px, pw, pb, y, scratch, 4 * N, M, N, K, 0);
      const got = kernels.floatsAt(y, M * N).slice();
      for (let m = 0; m < M; m++) {
        for (let n = 0; n < N; n++) {
          let want = bias[n];
          for (let k = 0; k < K; k++) want += x[m * K + k] * w[n * K + k];
          expectClose([got[m * N + n]], [want], 1e-5 * Math.sqrt(K));
        }
        kernels.run.linear_f32(px + 4 * m * K, pw, pb, one, scratch, 4 * N, 1, N, K, 0);
        expect(Array.from(kernels.floatsAt(one, N))).toEqual(
          Array.from(got.subarray(m * N, (m + 1) * N)),
        );
      }
    }
  });

  test("attend() looks at each row's own list of places", () => {
    for (const [H, D] of [
      [2, 16],
      [4, 6],
      [1, 20],
      [3, 3],
    ]) {
      const E = H * D;
      const counts = [1, 3, 4, 9, 17];
      const longest = Math.max(...counts);
      // A place holds some other layer's numbers, then a key, then a value.
      const places = Array.from({ length: 40 }, () => normals(3 * E));
      const addresses = places.map((data) => place(data));
      const q = normals(counts.length * E);
      const chosen = counts.map((count) =>
        Array.from({ length: count }, () => random.int(0, places.length - 1)),
      );
      const list = place(Int32Array.from(chosen.flat().map((index) => addresses[index])));
      let begin = 0;
      const spans = counts.flatMap((count) => {
        begin += count;
        return [begin - count, count];
      });
      const out = space(4 * counts.length * E);
      const weights = space(4 * counts.length * longest);
      const scratch = space(4 * (2 * (longest + 8) + 8));
      kernels.run.attend(
        ...([place(q), 4 * E, list, place(Int32Array.from(spans)), 4 * E, 8 * E] as const),
        ...([out, weights, scratch, counts.length, H, D, longest, D ** -0.5] as const),
      );
      for (const [m, indices] of chosen.entries()) {
        const want = attendRow(
          {
            query: q.subarray(m * E, (m + 1) * E),
            keys: indices.map((index) => places[index].subarray(E, 2 * E)),
            values: indices.map((index) => places[index].subarray(2 * E)),
          },
          H,
          D,
        );
        expectClose(kernels.floatsAt(out + 4 * m * E, E), want.out, 1e-5);
        const row = kernels.floatsAt(weights + 4 * m * longest, longest);
        expectClose(row.subarray(0, indices.length), want.weights, 1e-6);
        expect(row.subarray(indices.length).every((weight) => weight === 0)).toBe(true);
      }
    }
  });

  test("embeddings of all kinds are the rows of their tables, scaled, with positions added", () => {
    const [V, C] = [5, 45];
    const table = normals(V * C);
    const added = place(normals(C));
    const out = space(4 * C);
    const { values, scales } = quantiseInt8(table, V, C);
    const fourBits = quantiseInt4(table, V, C);
    const blocks = fourBits.steps.length / V;
    const kinds: [(row: number) => void, (row: number, c: number) => number][] = [
      [
        (row) => kernels.run.embed_f32(place(table), row, 3, added, out, C),
        (row, c) => table[row * C + c],
      ],
      [
        (row) => {
          const table8 = place(values);
          kernels.run.prepare_i8(table8, values.length);
          kernels.run.embed_i8(table8, place(scales), row, 3, added, out, C);
        },
        (row, c) => values[row * 64 + c] * scales[row],
      ],
      [
        (row) => {
          const [w, s, ws] = [fourBits.nibbles, fourBits.steps, fourBits.scales].map(place);
          kernels.run.embed_i4(w, s, ws, row, 3, added, out, C);
        },
        (row, c) => int4At(fourBits.nibbles, fourBits.steps, blocks, row, c) * fourBits.scales[row],
      ],
    ];
    for (const [run, element] of kinds) {
      for (let row = 0; row < V; row++) {
        run(row);
        const position = kernels.floatsAt(added, C);
        const want = Float64Array.from({ length: C }, (_, c) => 3 * element(row, c) + position[c]);
        expectClose(kernels.floatsAt(out, C), want, 1e-5);
      }
    }
  });
}

const files = ["quantised.wasm", ...(hasRelaxedSimd() ? ["quantised_relaxed.wasm"] : [])] as const;
for (const file of files as readonly KernelFile[]) {
  const kernels = await Kernels.open(await compileKernelFile(file));
  describe(file, () => kernelSuite(kernels));
}
if (files.length === 1)
  test.skip("quantised_relaxed.wasm (this runtime has no relaxed SIMD)", () => {});

test("quantiseInt8() and quantiseInt4() stay within half a step of what they round", () => {
  const [N, K] = [6, 70];
  const weight = normals(N * K);
  weight.fill(0, 2 * K, 3 * K);
  const { values, scales } = quantiseInt8(weight, N, K);
  const four = quantiseInt4(weight, N, K);
  const blocks = four.steps.length / N;
  for (let n = 0; n < N; n++) {
    for (let k = 0; k < K; k++) {
      const eight = values[n * 96 + k] * scales[n];
      expect(Math.abs(eight - weight[n * K + k])).toBeLessThanOrEqual(0.5001 * scales[n]);
      const integer = int4At(four.nibbles, four.steps, blocks, n, k);
      expect(Math.abs(integer)).toBeLessThanOrEqual(127);
    }
  }
  const error = (of: (n: number, k: number) => number): number => {
    let sum = 0;
    for (let i = 0; i < N * K; i++) sum += (of(Math.floor(i / K), i % K) - weight[i]) ** 2;
    return Math.sqrt(sum / (N * K));
  };
  expect(error((n, k) => values[n * 96 + k] * scales[n])).toBeLessThan(0.02);
  const fine = error((n, k) => int4At(four.nibbles, four.steps, blocks, n, k) * four.scales[n]);
  expect(fine).toBeLessThan(0.12);
});

test("the manifest numbers activations as the kernels do", () => {
  expect([...ACTIVATIONS]).toEqual([...EPILOGUES]);
});
