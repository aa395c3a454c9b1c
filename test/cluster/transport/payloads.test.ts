// Frames over real sockets: who reads them says how much is still to come, and may be woken only then.
import { expect, test } from "bun:test";
import { openTransport } from "../../../cluster/transport/open_transport.ts";
import type { Security } from "../../../cluster/transport/security.ts";
import { FrameReader } from "../../../cluster/wire/frame_reader.ts";
import { seededRandom } from "../../support/random.ts";
import { concat, dataFrame, pattern, Recorder } from "../wire/frames.ts";
import { bothSockets } from "./both_sockets.ts";
import { HERE } from "./pair.ts";

const secret: Security = { kind: "secret", secret: pattern(32) };

/** Bytes of payloads: about where a reader waits for more or fewer bytes at once. */
const SIZES = [5, 16_383, 16_384, 16_385, 65_535, 65_536, 65_537, 82_000, 300_001];

const pause = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));

class EndingRecorder extends Recorder {
  readonly ended = Promise.withResolvers<void>();

  override closed(reason: string | undefined): void {
    super.closed(reason);
    this.ended.resolve();
  }
}

for (const security of [{ kind: "plain" } as const, secret]) {
  for (const { name, sockets } of bothSockets) {
    const transport = openTransport(security, { sockets });

    test(`payloads arrive whole however they are cut, over ${security.kind} connections by ${name}`, async () => {
      const random = seededRandom(17);
      const sizes = [...SIZES, ...SIZES.map(() => random.int(1, 200_000))];
      const payloads = sizes.map((size, i) => pattern(size, i));
      // The last one breaks off, some bytes short.
      const whole = concat(...payloads.map((payload) => dataFrame(payload)), dataFrame(pattern(9)));
      const sink = new EndingRecorder();
      const listener = await transport.listen(
        HERE,
        () => new FrameReader(sink, { maxControl: 4096 }),
      );
      const deaf = { space: () => new Uint8Array(1), filled() {}, closed() {} };
      const dialler = await transport.connect(listener.address, () => deaf);
      for (let at = 0; at < whole.length - 3; ) {
        const length = Math.min(whole.length - 3 - at, random.int(1, 60_000));
        dialler.send([whole.subarray(at, at + length)]);
        at += length;
        if (random.int(0, 3) === 0) await pause(2);
      }
      // Nothing more has to come for what is there already.
      while (sink.heard.length < sizes.length) await pause(2);
      dialler.close();
      await sink.ended.promise;
      const received = sink.heard.slice(0, -1) as { payload: number[] }[];
      expect(received.map(({ payload }) => payload.length)).toEqual(sizes);
      for (const [i, { payload }] of received.entries()) {
        expect(payload.every((byte, at) => byte === payloads[i][at])).toBe(true);
      }
      expect(sink.heard.at(-1)).toEqual({ closed: "the connection ended inside a frame" });
      listener.close();
    });
  }
}
