// All collectives, over peers in one process whose frames arrive in any order that connections allow.
import { expect, test } from "bun:test";
import {
  type Arithmetic,
  codecBytes,
  codecOf,
  openArithmetic,
} from "../../../cluster/collective/codec.ts";
import { openReduction } from "../../../cluster/collective/open_reduction.ts";
import { cutPieces, MAX_PIECE } from "../../../cluster/collective/pieces.ts";
import type { Frame, Reduction } from "../../../cluster/collective/reduction.ts";
import { reductionMemory, scratchBytes } from "../../../cluster/collective/reduction_memory.ts";
import type { Wire } from "../../../cluster/wire/frame.ts";
import { INITIAL_PAGES, PAGE_BYTES } from "../../../kernels/pages.ts";
import { NumpyRandom } from "../../../src/data/numpy_random.ts";

interface Peer {
  readonly memory: WebAssembly.Memory;
  readonly gradients: Float32Array;
  readonly reduction: Reduction;
  isReduced: boolean;
  readonly taken: number[];
}

interface Sent {
  readonly frame: Frame;
  readonly bytes: Uint8Array;
  readonly sent: (() => void) | undefined;
}

/** Peers with a first-in-first-out connection from each to each other. */
class Mesh {
  readonly peers: Peer[] = [];
  readonly begun = new Set<string>();
  private readonly queues = new Map<string, Sent[]>();

  private constructor(private readonly random: NumpyRandom) {}

  static async of(
    count: number,
    sizes: readonly number[],
    wire: Wire,
    microBatches: number,
    random: NumpyRandom,
  ): Promise<Mesh> {
    const mesh = new Mesh(random);
    for (let self = 0; self < count; self++)
      mesh.peers.push(await mesh.peer(self, count, sizes, wire, microBatches));
    return mesh;
  }

  private async peer(
    self: number,
    peers: number,
    sizes: readonly number[],
    wire: Wire,
    microBatches: number,
  ): Promise<Peer> {
    let address = PAGE_BYTES;
    const blocks = sizes.map((elements) => {
      const block = { address, elements };
      address += 4 * elements;
      return block;
    });
    const bytes = scratchBytes(blocks, codecBytes(wire), peers, microBatches);
    const slots = Math.max(peers, microBatches);
    const isByMicroBatch = microBatches > 0;
    const pages = Math.max(INITIAL_PAGES, Math.ceil((address + bytes) / PAGE_BYTES));
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    const arithmetic: Arithmetic = await openArithmetic(memory);
    const codec = codecOf(wire, arithmetic);
    const pieces = cutPieces(blocks, peers);
    const options = { self, peers, pieces, slots, isByMicroBatch, codec, arithmetic };
    const total = sizes.reduce((a, b) => a + b, 0);
    const peer: Peer = {
      memory,
      gradients: new Float32Array(memory.buffer, PAGE_BYTES, total),
      isReduced: false,
      taken: [],
      reduction: openReduction(options, reductionMemory(options, { address, bytes }), {
        send: (place, frame, from, length, sent) => {
          const key = `${self}>${place}`;
          const view = new Uint8Array(memory.buffer, from, length);
          this.queues.set(key, [...(this.queues.get(key) ?? []), { frame, bytes: view, sent }]);
        },
        hasBegun: (place, step) => this.begun.has(`${place} ${step}`),
        taken: (slot) => peer.taken.push(slot),
        reduced: () => {
          peer.isReduced = true;
        },
      }),
    };
    return peer;
  }

  begin(self: number, step: number, slots: readonly number[]): void {
    const { reduction } = this.peers[self];
    reduction.begin(step, slots);
    this.begun.add(`${self} ${step}`);
    for (const peer of this.peers) if (peer.reduction !== reduction) peer.reduction.begun(self);
  }

  /** Delivers one frame of any connection. @returns false if none is under way. */
  deliver(): boolean {
    const waiting = [...this.queues].filter(([, queue]) => queue.length > 0);
    if (waiting.length === 0) return false;
    const [key, queue] = waiting[this.random.randint(0, waiting.length)];
    const [from, to] = key.split(">").map(Number);
    const next = queue.shift();
    if (!next) return false;
    const { reduction, memory } = this.peers[to];
    const address = reduction.place(from, next.frame, next.bytes.length);
    new Uint8Array(memory.buffer, address, next.bytes.length).set(next.bytes);
    next.sent?.();
    reduction.arrived(from, next.frame);
    return true;
  }
}

const fill = (values: Float32Array, random: NumpyRandom): void => {
  for (let i = 0; i < values.length; i++) values[i] = 2 * random.random() - 1;
};

/** One update: every peer of `givers` gives a contribution, the others none. */
async function reduce(mesh: Mesh, step: number, givers: readonly number[], random: NumpyRandom) {
  const { peers } = mesh;
  const given = peers.map(({ gradients }, place) => {
    fill(gradients, random);
    return givers.includes(place) ? gradients.slice() : undefined;
  });
  const order = random.permutation(peers.length);
  for (const place of order) {
    for (let i = random.randint(0, 40); i > 0 && mesh.deliver(); i--);
    mesh.begin(place, step, givers);
    if (!givers.includes(place)) continue;
    const { length } = peers[place].gradients;
    for (let done = 0; done < length; done += 1 + random.randint(0, length)) {
      peers[place].reduction.finish(place, done);
    }
    peers[place].reduction.finish(place, length);
  }
  while (mesh.deliver());
  return given.flatMap((gradients) => (gradients ? [gradients] : []));
}

const cases = [
  ...[1, 2, 3, 4, 8].map((peers) => ({ peers, name: "directly" })),
  ...[17, 20].map((peers) => ({ peers, name: "around a ring" })),
];

for (const { peers, name } of cases) {
  for (const wire of ["f32", "bf16", "int8"] as const) {
    test(`${peers} peers have one sum, ${name}, with --wire ${wire}`, async () => {
      const random = new NumpyRandom(100 * peers + wire.length);
      const sizes = peers > 8 ? [777, 64] : [MAX_PIECE + 1000, 1, 12_345];
      const mesh = await Mesh.of(peers, sizes, wire, 0, random);
      for (let step = 0; step < 3; step++) {
        const all = Array.from({ length: peers }, (_, place) => place);
        // Where batches run out, some peers have none.
        const givers = step === 1 ? all.filter((place) => place % 3 !== 1) : all;
        const given = await reduce(mesh, step, givers.length > 0 ? givers : [0], random);
        const [first] = mesh.peers;
        const bound = { f32: 1e-6, bf16: 4e-3, int8: 1e-2 }[wire] * peers * 2;
        let worst = 0;
        for (let i = 0; i < first.gradients.length; i += 1) {
          const sum = given.reduce((total, gradients) => total + gradients[i], 0);
          worst = Math.max(worst, Math.abs(sum - first.gradients[i]));
        }
        expect(worst).toBeLessThan(bound);
        for (const peer of mesh.peers) {
          expect(peer.isReduced).toBe(true);
          peer.isReduced = false;
          expect(Buffer.compare(bytesOf(peer.gradients), bytesOf(first.gradients))).toBe(0);
        }
      }
    });
  }
}

test("contributions are added in the order of the members, to the bit", async () => {
  const random = new NumpyRandom(5);
  const mesh = await Mesh.of(4, [5000], "f32", 0, random);
  const [a, b, c, d] = await reduce(mesh, 0, [0, 1, 2, 3], random);
  const expected = a.map((_, i) =>
    Math.fround(Math.fround(Math.fround(a[i] + b[i]) + c[i]) + d[i]),
  );
  expect(mesh.peers[2].gradients).toEqual(expected);
});

for (const wire of ["f32", "bf16"] as const) {
  test(`the sum of micro-batches does not depend on how many peers compute them, with --wire ${wire}`, async () => {
    const microBatches = 6;
    const random = new NumpyRandom(9);
    const gradients = Array.from({ length: microBatches }, () => {
      const values = new Float32Array(3000);
      fill(values, random);
      return values;
    });
    const results: Float32Array[] = [];
    for (const count of [1, 2, 3, 4, 6]) {
      const mesh = await Mesh.of(count, [3000], wire, microBatches, random);
      const slots = gradients.map((_, slot) => slot);
      for (let place = 0; place < count; place++) mesh.begin(place, 0, slots);
      for (const slot of slots) {
        const peer = mesh.peers[slot % count];
        peer.gradients.set(gradients[slot]);
        peer.reduction.finish(slot, 3000);
        // The next micro-batch overwrites the gradients only when this one has left them.
        while (!peer.taken.includes(slot)) mesh.deliver();
      }
      while (mesh.deliver());
      expect(mesh.peers.every(({ isReduced }) => isReduced)).toBe(true);
      results.push(...mesh.peers.map((peer) => peer.gradients.slice()));
    }
    for (const result of results) expect(result).toEqual(results[0]);
  });
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);
