import { expect, test } from "bun:test";
import { encodeControl } from "../../../cluster/wire/encode_control.ts";
import { encodeDataHead } from "../../../cluster/wire/encode_data_head.ts";
import {
  type DataHeader,
  MAX_CONTROL,
  MAX_HELLO,
  MAX_PAYLOAD,
  ProtocolError,
} from "../../../cluster/wire/frame.ts";
import { FrameReader } from "../../../cluster/wire/frame_reader.ts";
import { seededRandom } from "../../support/random.ts";
import { concat, dataFrame, feed, header, pattern, Recorder, rawControl } from "./frames.ts";

const limits = { maxControl: MAX_CONTROL };

const heartbeat = { type: "heartbeat", generation: 3, step: 70_000 };
const large = { bytes: pattern(9000) };

/** A connection's bytes, and what its reader should tell; frames of slot 9 are not wanted. */
const stream = concat(
  encodeControl(heartbeat),
  dataFrame(pattern(300)),
  dataFrame(new Uint8Array(0), { slot: 1 }),
  dataFrame(pattern(40, 2), { slot: 9 }),
  encodeControl({}),
  dataFrame(pattern(5, 3), { piece: 6, step: 1 }),
  encodeControl({ list: [1, 2, 3] }),
);
const told = [
  heartbeat,
  { header: header(), payload: Array.from(pattern(300)) },
  { header: header({ slot: 1 }), payload: [] },
  { unwanted: header({ slot: 9 }), bytes: 40 },
  {},
  { header: header({ piece: 6, step: 1 }), payload: Array.from(pattern(5, 3)) },
  { list: [1, 2, 3] },
  { closed: undefined },
];
const wanted = ({ slot }: DataHeader): boolean => slot !== 9;

/** What a reader tells of a stream that comes in such chunks. */
function heard(bytes: Uint8Array, next: () => number): unknown[] {
  const recorder = new Recorder(wanted);
  const reader = new FrameReader(recorder, limits);
  for (let at = 0; at < bytes.length; ) {
    const chunk = bytes.subarray(at, at + next());
    feed(reader, chunk);
    at += chunk.length;
  }
  reader.closed(undefined);
  return recorder.heard;
}

test("FrameReader tells the same, wherever the bytes are split", () => {
  for (let split = 1; split <= stream.length; split++) {
    let first = true;
    const chunks = (): number => {
      const size = first ? split : stream.length;
      first = false;
      return size;
    };
    expect(heard(stream, chunks)).toEqual(told);
  }
});

test("FrameReader tells the same when bytes come one by one, and in random chunks", () => {
  expect(heard(stream, () => 1)).toEqual(told);
  const random = seededRandom(5);
  const long = concat(stream, dataFrame(pattern(20_000)), encodeControl(large), stream);
  const want = [
    ...told.slice(0, -1),
    { header: header(), payload: Array.from(pattern(20_000)) },
    large,
    ...told,
  ];
  for (const most of [3, 50, 4096, 30_000]) {
    for (let run = 0; run < 8; run++) {
      expect(heard(long, () => random.int(1, most))).toEqual(want);
    }
  }
});

test("FrameReader reads a payload into the place that the sink gives, past its first bytes without a copy", () => {
  const arena = new Uint8Array(new SharedArrayBuffer(1 << 20));
  const place = arena.subarray(4096, 4096 + 600_000);
  const recorder = new Recorder();
  recorder.place = () => place;
  const reader = new FrameReader(recorder, limits);
  const frame = dataFrame(pattern(place.length));
  feed(reader, frame.subarray(0, 5000));
  const space = reader.space();
  expect(space.buffer).toBe(arena.buffer);
  expect(space.byteOffset + space.length).toBe(4096 + 600_000);
  feed(reader, frame.subarray(5000));
  expect(recorder.heard.length).toBe(1);
  expect(Buffer.compare(place, pattern(place.length))).toBe(0);
  expect([arena[4095], arena[4096 + 600_000]]).toEqual([0, 0]);
});

test("FrameReader drops the largest payload through little memory", () => {
  const recorder = new Recorder(() => false);
  const reader = new FrameReader(recorder, limits);
  const frame = dataFrame(new Uint8Array(MAX_PAYLOAD));
  for (let at = 0; at < frame.length; ) {
    const space = reader.space();
    expect(space.length).toBeLessThanOrEqual(65536);
    const count = Math.min(space.length, frame.length - at);
    space.set(frame.subarray(at, at + count));
    reader.filled(count);
    at += count;
  }
  feed(reader, encodeControl(heartbeat));
  expect(recorder.heard).toEqual([{ unwanted: header(), bytes: MAX_PAYLOAD }, heartbeat]);
});

test("FrameReader diverts a payload under way, and says when its place is written to no more", () => {
  const [place, recorder] = [new Uint8Array(9000), new Recorder()];
  recorder.place = () => place;
  const frame = dataFrame(pattern(9000));
  const half = (): FrameReader => {
    const reader = new FrameReader(recorder, limits);
    feed(reader, frame.subarray(0, 5000));
    place.fill(0, 6000);
    return reader;
  };
  const reader = half();
  let released = 0;
  reader.divert(() => released++);
  expect(released).toBe(1);
  feed(reader, frame.subarray(5000));
  feed(reader, encodeControl(heartbeat));
  expect(recorder.heard).toEqual([heartbeat]);
  expect(place.subarray(6000).every((byte) => byte === 0)).toBe(true);
  // A runtime that reads into it already goes on until it has some bytes, or none for ever.
  for (const end of [
    (each: FrameReader) => each.filled(10),
    (each: FrameReader) => each.closed(""),
  ]) {
    const reading = half();
    reading.space();
    released = 0;
    reading.divert(() => released++);
    expect(released).toBe(0);
    end(reading);
    expect(released).toBe(1);
  }
});

/** Prefix of a frame, with lengths that need not fit together. */
function prefix(rest: number, headerBytes: number, type: number, flags = 0): Uint8Array {
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, rest);
  view.setUint16(4, headerBytes);
  bytes.set([type, flags], 6);
  return bytes;
}

const refused: Readonly<Record<string, Uint8Array>> = {
  "flags of a later version": prefix(5, 0, 2, 1),
  "type 0": prefix(5, 0, 0),
  "type 5": prefix(5, 0, 5),
  "an announcement of 296 bytes": prefix(300, 0, 3),
  "an HTTP request": new TextEncoder().encode("GET / HTTP/1.1\r\n"),
  "a TLS handshake": Uint8Array.of(22, 3, 1, 2, 0, 1, 0, 1),
  "a control frame with a header": prefix(40, 4, 2),
  "a control frame without a document": prefix(4, 0, 2),
  "a control frame shorter than its prefix": prefix(0, 0, 2),
  "a control frame beyond the limit": prefix(MAX_CONTROL - 3, 0, 2),
  "a control frame of 4 GiB": prefix(0xffffffff, 0, 2),
  "a data frame without a header": prefix(4, 0, 1),
  "a data frame with too small a header": prefix(100, 13, 1),
  "a data frame with too large a header": prefix(600, 257, 1),
  "a data frame shorter than its header": prefix(20, 30, 1),
  "a data frame beyond the largest payload": prefix(4 + 14 + MAX_PAYLOAD + 1, 14, 1),
  "a data frame of 4 GiB": prefix(0xffffffff, 14, 1),
  "a document that is none": rawControl(Uint8Array.of(0xc1)),
};
for (const [name, bytes] of Object.entries(refused)) {
  test(`FrameReader refuses ${name}, and all that follows`, () => {
    const recorder = new Recorder();
    const reader = new FrameReader(recorder, limits);
    feed(reader, encodeControl({}));
    expect(() => feed(reader, bytes)).toThrow(ProtocolError);
    expect(() => reader.space()).toThrow(ProtocolError);
    expect(() => reader.filled(1)).toThrow(ProtocolError);
    reader.closed("the connection was closed");
    const [, { closed }] = recorder.heard as [unknown, { closed: string }];
    expect(recorder.heard.length).toBe(2);
    expect(closed).toMatch(/^a (control|data|frame|payload)/);
  });
}

test("FrameReader takes control frames of the limit, which may be raised while it reads", () => {
  const recorder = new Recorder();
  const reader = new FrameReader(recorder, { maxControl: MAX_HELLO });
  recorder.control = (document) => {
    recorder.heard.push(document);
    reader.limitControl(MAX_CONTROL);
  };
  const hello = encodeControl({ bytes: new Uint8Array(MAX_HELLO - 18) });
  expect(hello.length).toBe(MAX_HELLO);
  const larger = encodeControl({ bytes: new Uint8Array(MAX_HELLO - 17) });
  expect(() => feed(new FrameReader(recorder, { maxControl: MAX_HELLO }), larger)).toThrow(
    `1 to ${MAX_HELLO - 8} are allowed`,
  );
  // One after the other in one read.
  feed(reader, concat(hello, larger, encodeControl(large)));
  expect(recorder.heard.length).toBe(3);
});

test("FrameReader passes on what its sink throws, and refuses all that follows", () => {
  const recorder = new Recorder();
  recorder.place = (_, bytes) => {
    throw new ProtocolError(`no payload of ${bytes} bytes is due`);
  };
  const reader = new FrameReader(recorder, limits);
  expect(() => feed(reader, dataFrame(pattern(3)))).toThrow("no payload of 3 bytes is due");
  expect(() => feed(reader, encodeControl({}))).toThrow(
    "nothing is read after an error (no payload of 3 bytes is due)",
  );
  reader.closed(undefined);
  expect(recorder.heard).toEqual([{ closed: "no payload of 3 bytes is due" }]);
});

test("FrameReader does not write into a place of another length", () => {
  const recorder = new Recorder();
  recorder.place = () => new Uint8Array(2);
  const reader = new FrameReader(recorder, limits);
  expect(() => feed(reader, dataFrame(pattern(3)))).toThrow(RangeError);
});

test("FrameReader says so when a connection ends inside a frame", () => {
  const frame = concat(encodeDataHead(header(), 10), pattern(10));
  for (let count = 0; count <= frame.length; count++) {
    const recorder = new Recorder();
    const reader = new FrameReader(recorder, limits);
    feed(reader, frame.subarray(0, count));
    reader.closed(undefined);
    const whole = count === 0 || count === frame.length;
    const closed = whole ? undefined : "the connection ended inside a frame";
    expect(recorder.heard.at(-1)).toEqual({ closed });
  }
});

test("FrameReader tells nothing after it was closed from within", () => {
  const recorder = new Recorder();
  const reader = new FrameReader(recorder, limits);
  recorder.control = (document) => {
    recorder.heard.push(document);
    reader.closed("enough");
  };
  feed(reader, concat(encodeControl(heartbeat), encodeControl({}), dataFrame(pattern(3))));
  feed(reader, encodeControl({}));
  reader.closed("again");
  expect(recorder.heard).toEqual([heartbeat, { closed: "enough" }]);
});
