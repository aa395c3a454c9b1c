// A peer that fails before it has joined the others tells them so, or they would wait for it in vain.
import { message } from "../membership/messages.ts";
import { type Address, ConnectError, type Transport } from "../transport/transport.ts";
import { encodeControl } from "../wire/encode_control.ts";
import { type FrameSink, MAX_CONTROL, ProtocolError } from "../wire/frame.ts";
import { FrameReader } from "../wire/frame_reader.ts";

/** Milliseconds between two attempts: one that is called may not have begun to listen, or to know anyone. */
const AGAIN = 500;

/** Said by a peer that does not know the others yet. */
export const NOT_READY = "it is not ready yet";

/**
 * Tells all that this peer does not come: who waits for it ends with the reason.
 *
 * @param reason names this peer. @param patience milliseconds for which those who do not listen are called.
 */
export async function tellAll(
  transport: Transport,
  addresses: readonly Address[],
  reason: string,
  patience: number,
): Promise<void> {
  const end = performance.now() + patience;
  await Promise.all(
    addresses.map(async (address) => {
      while (!(await isTold(transport, address, reason)) && performance.now() < end) {
        await new Promise((resolve) => setTimeout(resolve, AGAIN));
      }
    }),
  );
}

/** One attempt. @returns whether there is nothing left to try. */
async function isTold(transport: Transport, address: Address, reason: string): Promise<boolean> {
  const heard = Promise.withResolvers<boolean>();
  const sink: FrameSink = {
    place() {
      throw new ProtocolError("it sends data");
    },
    arrived: () => undefined,
    control(document) {
      const { data } = message.safeParse(document);
      heard.resolve(data?.t !== "refuse" || data.reason !== NOT_READY);
    },
    // Whoever has heard it ends the connection.
    closed: () => heard.resolve(true),
  };
  try {
    const connection = await transport.connect(address, (opened) => {
      opened.send([encodeControl({ t: "refuse", reason, fatal: true })]);
      return new FrameReader(sink, { maxControl: MAX_CONTROL });
    });
    const late = setTimeout(() => heard.resolve(false), 5 * AGAIN);
    try {
      return await heard.promise;
    } finally {
      clearTimeout(late);
      connection.close();
    }
  } catch (error) {
    return error instanceof ConnectError && error.permanent;
  }
}
