// Damaged frames by the hundred thousand: a reader either understands them or refuses them in good order,
// in bounded memory, and readers of other connections do not notice.
import { expect, test } from "bun:test";
import process from "node:process";
import { z } from "zod";
import {
  type Announcement,
  encodeAnnouncement,
  encodePulled,
} from "../../../cluster/wire/announcement.ts";
import { encodeControl } from "../../../cluster/wire/encode_control.ts";
import {
  type DataHeader,
  type FrameSink,
  MAX_CONTROL,
  MAX_PAYLOAD,
  ProtocolError,
} from "../../../cluster/wire/frame.ts";
import { FrameReader } from "../../../cluster/wire/frame_reader.ts";
import { seededRandom } from "../../support/random.ts";
import { concat, dataFrame, feed, header, pattern, Recorder, rawControl } from "./frames.ts";
import { hostileDocuments } from "./hostile_documents.ts";

const FRAMES = 200_000;
const MOST_GROWTH = 192 * 2 ** 20;

const random = seededRandom(77);
const oneOf = <T>(list: readonly T[]): T => list[random.int(0, list.length - 1)];

const documents = [
  { type: "heartbeat", generation: 3, step: 70_000, phase: "forward" },
  { type: "hello", version: 1, job: "j-17", peer: 3, wire: ["f32", "bf16"], layout: pattern(32) },
  {
    type: "view",
    generation: 4,
    members: Array.from({ length: 8 }, (_, rank) => ({
      rank,
      host: `10.0.0.${rank}`,
      port: 29400,
    })),
    decided: { step: 70_001, ballot: [4, 1], loss: 3.25, previous: null },
  },
] as const;

const endpoint = z.strictObject({ rank: z.int(), host: z.string(), port: z.int().max(65535) });
const schema = z.discriminatedUnion("type", [
  z.strictObject({
    ...{ type: z.literal("heartbeat"), generation: z.int(), step: z.int(), phase: z.string() },
  }),
  z.strictObject({
    ...{ type: z.literal("hello"), version: z.literal(1), job: z.string().max(64), peer: z.int() },
    ...{ wire: z.array(z.enum(["f32", "bf16", "int8"])), layout: z.instanceof(Uint8Array) },
  }),
  z.strictObject({
    ...{ type: z.literal("view"), generation: z.int(), members: z.array(endpoint) },
    decided: z.strictObject({
      ...{
        step: z.int(),
        ballot: z.tuple([z.int(), z.int()]),
        loss: z.number(),
        previous: z.null(),
      },
    }),
  }),
]);

const honest: readonly Uint8Array[] = [
  ...documents.map((document) => encodeControl(document)),
  ...[0, 3, 64, 1024, 6000].map((bytes, piece) => dataFrame(pattern(bytes), { piece })),
  encodeAnnouncement({ header: header(), address: 2 ** 40 + 8, bytes: 6000, epoch: 1, ticket: 2 }),
  encodePulled(70_000),
];
/** Of the few that are large one in a hundred, so that they do not take all the time. */
const hostile = Object.values(hostileDocuments).map(rawControl);
const [small, huge] = [true, false].map((is) =>
  hostile.filter(({ length }) => length < 1000 === is),
);

const BYTES = [0, 1, 2, 0x7f, 0x80, 0x81, 0x92, 0xc1, 0xc6, 0xd4, 0xdb, 0xdd, 0xdf, 0xff];

type Mutation = (frame: Uint8Array) => Uint8Array;

const flip: Mutation = (frame) => {
  for (let flips = random.int(1, 6); flips > 0; flips--) {
    frame[random.int(0, Math.min(frame.length, 200) - 1)] ^= 1 << random.int(0, 7);
  }
  return frame;
};
const write: Mutation = (frame) => {
  frame[random.int(0, Math.min(frame.length, 200) - 1)] = oneOf(BYTES);
  return frame;
};
const truncate: Mutation = (frame) => frame.subarray(0, random.int(0, frame.length - 1));
const insert: Mutation = (frame) => {
  const at = random.int(0, Math.min(frame.length, 200));
  const added = Uint8Array.from({ length: random.int(1, 9) }, () => random.int(0, 255));
  return concat(frame.subarray(0, at), added, frame.subarray(at));
};
const remove: Mutation = (frame) => {
  const at = random.int(0, Math.min(frame.length, 200) - 1);
  return concat(frame.subarray(0, at), frame.subarray(at + random.int(1, 9)));
};
const splice: Mutation = (frame) => {
  const other = oneOf(honest);
  return concat(
    frame.subarray(0, random.int(0, frame.length)),
    other.subarray(random.int(0, other.length - 1)),
  );
};
const lengths: Mutation = (frame) => {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
  const near = random.int(-5, 5);
  const wrong = oneOf([view.getUint32(0) + near, random.int(0, 2 ** 32 - 1), MAX_PAYLOAD + near]);
  if (random.int(0, 2) > 0) view.setUint32(0, wrong);
  if (random.int(0, 2) === 0) view.setUint16(4, oneOf([near, random.int(0, 65535), 0, 256]));
  return frame;
};
/** Damages the document alone, under a prefix that fits it: what the scan is for. */
const document: Mutation = () => {
  const whole = honest[random.int(0, documents.length - 1)].slice(8);
  return rawControl(oneOf([flip, write, insert, remove, truncate])(whole));
};
const corpus: Mutation = () => oneOf(random.int(0, 99) === 0 ? huge : small).slice();
const mutations = [
  flip,
  write,
  truncate,
  insert,
  remove,
  splice,
  lengths,
  document,
  document,
  corpus,
];

/** What the frames that came through said. */
const counts = { refused: 0, wrong: 0, arrived: 0, taken: 0, largest: 0, space: 0 };

/** Wants what its owner computed: pieces of the lengths that are honest. */
class Owner implements FrameSink {
  private readonly arena = new Uint8Array(6000);

  place({ piece, generation }: DataHeader, bytes: number): Uint8Array | undefined {
    if (generation < header().generation) return undefined;
    if (bytes !== [0, 3, 64, 1024, 6000][piece]) throw new ProtocolError("no such piece is due");
    counts.largest = Math.max(counts.largest, bytes);
    return this.arena.subarray(0, bytes);
  }

  arrived(): void {
    counts.arrived++;
  }

  announced({ bytes }: Announcement): void {
    if (bytes > MAX_PAYLOAD) throw new RangeError("no such payload");
  }

  pulled(): void {}

  control(document: unknown): void {
    const { success } = schema.safeParse(document);
    if (success) counts.taken++;
    else counts.wrong++;
  }

  closed(): void {}
}

/** An honest peer on another connection of the same process, whose bytes come in between. */
class Neighbour {
  private readonly bytes = concat(...honest);
  private readonly recorder = new Recorder();
  private readonly reader = new FrameReader(this.recorder, { maxControl: MAX_CONTROL });
  private at = 0;

  receive(): void {
    const chunk = this.bytes.subarray(this.at, this.at + random.int(1, 3000));
    feed(this.reader, chunk);
    this.at += chunk.length;
    if (this.at < this.bytes.length) return;
    this.check();
    this.at = 0;
  }

  private check(): void {
    const { heard } = this.recorder;
    if (heard.length !== honest.length) throw new Error(`${heard.length} frames were heard`);
    expect(heard.slice(0, 4)).toEqual([
      ...documents,
      { header: header({ piece: 0 }), payload: [] },
    ]);
    heard.length = 0;
  }
}

/** Bytes of this file's heap, garbage left out where the runtime can be told to collect it. */
function heapBytes(): number {
  if (typeof Bun !== "undefined") Bun.gc(true);
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

test(`${FRAMES} damaged frames end their connections and nothing else`, () => {
  const neighbour = new Neighbour();
  const owner = new Owner();
  const before = heapBytes();
  let most = before;
  let reader = new FrameReader(owner, { maxControl: MAX_CONTROL });
  let fresh = true;
  for (let i = 0; i < FRAMES; i++) {
    // Mostly at the beginning of a connection or of a frame, at times after half a one.
    if (!fresh && random.int(0, 3) > 0) {
      reader = new FrameReader(owner, { maxControl: MAX_CONTROL });
    }
    const damaged = oneOf(mutations)(oneOf(honest).slice());
    fresh = false;
    try {
      feed(reader, damaged);
      counts.space = Math.max(counts.space, reader.space().length);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      counts.refused++;
      reader.closed(undefined);
      reader = new FrameReader(owner, { maxControl: MAX_CONTROL });
      fresh = true;
    }
    if (i % 50 === 0) neighbour.receive();
    if (i % 10_000 === 0) most = Math.max(most, heapBytes());
  }
  expect(counts.refused).toBeGreaterThan(FRAMES / 4);
  for (const each of [counts.wrong, counts.arrived, counts.taken]) {
    expect(each).toBeGreaterThan(FRAMES / 200);
  }
  expect(counts.largest).toBe(6000);
  expect(counts.space).toBeLessThan(MAX_CONTROL);
  expect(most - before).toBeLessThan(MOST_GROWTH);
});
