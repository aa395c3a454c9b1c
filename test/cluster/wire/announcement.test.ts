import { expect, test } from "bun:test";
import { Unpackr } from "msgpackr/unpack";
import {
  type Announcement,
  encodeAnnouncement,
  encodePulled,
} from "../../../cluster/wire/announcement.ts";
import { MAX_CONTROL, MAX_PAYLOAD, ProtocolError } from "../../../cluster/wire/frame.ts";
import { FrameReader } from "../../../cluster/wire/frame_reader.ts";
import { seededRandom } from "../../support/random.ts";
import { feed, header, Recorder } from "./frames.ts";

const unpackr = new Unpackr({ useRecords: false });

const announcement = (changes: Partial<Announcement> = {}): Announcement => ({
  ...{ header: header(), address: 2 ** 47 - 8, bytes: MAX_PAYLOAD, epoch: 2 ** 32 - 1, ticket: 0 },
  ...changes,
});

function heardOf(bytes: Uint8Array): unknown[] {
  const recorder = new Recorder();
  feed(new FrameReader(recorder, { maxControl: MAX_CONTROL }), bytes);
  return recorder.heard;
}

test("announcements and tickets arrive as they were written, and are MessagePack documents", () => {
  const random = seededRandom(5);
  for (let round = 0; round < 50; round++) {
    const each = announcement({
      header: header({ step: random.int(0, 2 ** 31), checksum: random.int(0, 2 ** 31) }),
      address: random.int(0, 2 ** 31) * 65536,
      bytes: random.int(1, MAX_PAYLOAD),
      epoch: random.int(0, 2 ** 31),
      ticket: random.int(0, 2 ** 31),
    });
    const frame = encodeAnnouncement(each);
    expect(heardOf(frame)).toEqual([each]);
    const [, [, bytes, epoch, ticket]] = unpackr.unpack(frame.subarray(8));
    expect([bytes, epoch, ticket]).toEqual([each.bytes, each.epoch, each.ticket]);
    expect(heardOf(encodePulled(each.ticket))).toEqual([{ ticket: each.ticket }]);
  }
  expect(heardOf(encodeAnnouncement(announcement()))).toEqual([announcement()]);
});

test("an announcement of which any bit is turned over is refused, and so is a ticket", () => {
  for (const frame of [encodeAnnouncement(announcement()), encodePulled(7)]) {
    for (let bit = 0; bit < 8 * frame.length; bit++) {
      const damaged = frame.slice();
      damaged[bit >> 3] ^= 1 << (bit & 7);
      let heard: unknown[] = [];
      try {
        heard = heardOf(damaged);
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error;
      }
      expect(heard).toEqual([]); // refused, or waiting for more bytes than there are
    }
  }
});

test("announcements of too much, or of what no memory has, are refused", () => {
  for (const changes of [{ bytes: 0 }, { bytes: MAX_PAYLOAD + 1 }, { address: 2 ** 50 }]) {
    expect(() => heardOf(encodeAnnouncement(announcement(changes)))).toThrow(ProtocolError);
  }
});

test("who awaits no announcements refuses them as frames of an unknown type", () => {
  const recorder = new Recorder();
  const sink = {
    place: recorder.place.bind(recorder),
    ...{ arrived: () => undefined, control: () => undefined, closed: () => undefined },
  };
  for (const frame of [encodeAnnouncement(announcement()), encodePulled(7)]) {
    const reader = new FrameReader(sink, { maxControl: MAX_CONTROL });
    expect(() => feed(reader, frame)).toThrow(/unknown type [34]/);
  }
});
