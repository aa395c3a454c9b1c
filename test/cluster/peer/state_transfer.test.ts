import { expect, test } from "bun:test";
import { message } from "../../../cluster/membership/messages.ts";
import type { View } from "../../../cluster/membership/view.ts";
import { StateTransfer } from "../../../cluster/peer/state_transfer.ts";
import { decodeControl } from "../../../cluster/wire/decode_control.ts";
import { encodeControl } from "../../../cluster/wire/encode_control.ts";
import { PREFIX_BYTES } from "../../../cluster/wire/frame.ts";

const view: View = {
  generation: 3,
  members: [0, 1].map((rank) => ({ rank, incarnation: 1, host: "h", port: 1 })),
  ...{ resume: 5, fetching: [1] },
};

test("the record of a run with large dictionaries in any script reaches a newcomer", () => {
  const words = Array.from({ length: 60_000 }, (_, i) => `слово${i} 词语${i} 𝄞${i}`);
  const record = JSON.stringify({ dictionaries: { ru: words.join("\n") } });
  const [donor, newcomer] = [0, 1].map((rank) => new StateTransfer(view, rank, []));
  expect(newcomer.complete).toBeUndefined();
  for (const part of donor.record(record)) {
    const sent = message.parse(decodeControl(encodeControl(part).subarray(PREFIX_BYTES)));
    if (sent.t === "record") newcomer.addRecord(sent);
  }
  expect(newcomer.complete === record).toBe(true);
});
