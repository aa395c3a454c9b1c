// For suites that hold for the runtime's sockets and for libc's alike.
import type { LibcSockets } from "../../../cluster/transport/libc_transport.ts";
import { openSockets } from "../../../cluster/transport/open_sockets.ts";

interface SocketsOfTest {
  readonly name: string;
  readonly sockets: LibcSockets | undefined;
}

const { sockets, line } = await openSockets("auto", { kind: "plain" });
if (!sockets) console.log(`skipped: sockets of libc (${line})`);

export const runtimeSockets: SocketsOfTest = { name: "the runtime's sockets", sockets: undefined };

/** The second only where there are any. */
export const bothSockets: readonly SocketsOfTest[] = [
  runtimeSockets,
  ...(sockets ? [{ name: "sockets of libc", sockets }] : []),
];
