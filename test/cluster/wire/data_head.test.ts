import { expect, test } from "bun:test";
import { Unpackr } from "msgpackr/unpack";
import { decodeDataHead, MIN_HEADER } from "../../../cluster/wire/decode_data_head.ts";
import { encodeDataHead } from "../../../cluster/wire/encode_data_head.ts";
import {
  CODEC,
  KIND,
  MAX_HEADER,
  MAX_PAYLOAD,
  ProtocolError,
} from "../../../cluster/wire/frame.ts";
import { seededRandom } from "../../support/random.ts";
import { concat, header, pattern } from "./frames.ts";

const unpackr = new Unpackr({ useRecords: false });
const { generation, step, piece, slot, checksum } = header();

test("a data frame's bytes from 8 on are one MessagePack document", () => {
  for (const bytes of [0, 1, 200, 70_000]) {
    const payload = pattern(bytes);
    const head = encodeDataHead(header(), bytes);
    const view = new DataView(head.buffer);
    expect(view.getUint32(0)).toBe(head.length + bytes - 4);
    expect(view.getUint16(4)).toBe(head.length - 8);
    expect(Array.from(head.subarray(6, 8))).toEqual([1, 0]);
    const [numbers, binary] = unpackr.unpack(concat(head.subarray(8), payload));
    expect(numbers).toEqual([
      KIND.contribution,
      generation,
      step,
      piece,
      slot,
      CODEC.bf16,
      checksum,
    ]);
    expect(Array.from(binary)).toEqual(Array.from(payload));
  }
});

test("decodeDataHead() reads what encodeDataHead() writes, numbers of every width", () => {
  const random = seededRandom(3);
  const edges = [0, 1, 127, 128, 255, 256, 65535, 65536, 2 ** 31, 2 ** 32 - 1];
  const drawn = (): number => edges[random.int(0, edges.length - 1)];
  for (let i = 0; i < 500; i++) {
    const want = header({
      kind: KIND.state,
      ...{ generation: drawn(), step: drawn(), piece: drawn(), slot: drawn(), checksum: drawn() },
    });
    const bytes = random.int(0, MAX_PAYLOAD);
    const written = encodeDataHead(want, bytes).subarray(8);
    expect(written.length).toBeLessThanOrEqual(MAX_HEADER);
    expect(written.length).toBeGreaterThanOrEqual(MIN_HEADER);
    expect(decodeDataHead(written, bytes)).toEqual(want);
  }
});

test("encodeDataHead() refuses what no reader takes", () => {
  for (const value of [-1, 0.5, 2 ** 32, Number.NaN]) {
    expect(() => encodeDataHead(header({ step: value }), 4)).toThrow(RangeError);
  }
  for (const bytes of [-1, 0.5, MAX_PAYLOAD + 1]) {
    expect(() => encodeDataHead(header(), bytes)).toThrow(RangeError);
  }
});

test("decodeDataHead() refuses every header that is damaged in its form", () => {
  const small = header({ step: 1, checksum: 1 });
  const written = encodeDataHead(small, 40).subarray(8);
  expect(written.length).toBe(MIN_HEADER);
  for (let i = 0; i < written.length; i++) {
    // 0xc0 is nil: no tag of ours, no number, and not the payload's length.
    const damaged = written.slice();
    damaged[i] = 0xc0;
    expect(() => decodeDataHead(damaged, 40)).toThrow(ProtocolError);
  }
  expect(() => decodeDataHead(written, 41)).toThrow(ProtocolError);
  expect(() => decodeDataHead(concat(written, Uint8Array.of(0)), 40)).toThrow(ProtocolError);
  for (const [at, value] of [
    [2, 0], // kind 0
    [2, 4],
    [7, 9], // codec 9
    [8, 0xcf], // a number of 64 bits
    [8, 0xcb],
    [8, 0xff], // -1
    [8, 0xce], // a number that reaches into the payload's length
  ]) {
    const damaged = written.slice();
    damaged[at] = value;
    expect(() => decodeDataHead(damaged, 40)).toThrow(ProtocolError);
  }
});
