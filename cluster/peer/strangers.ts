// Those that this peer calls and cannot talk to at all, for neither believes the other: nothing that is said
// here reaches them, so each has to find out for itself.
import { ConnectError, type Transport } from "../transport/transport.ts";

export class Strangers {
  private readonly reasons = new Set<string>();

  /** @returns the transport, whose failures are remembered from now on. */
  watch(transport: Transport): Transport {
    return {
      listen: (...asked) => transport.listen(...asked),
      connect: (...asked) =>
        transport.connect(...asked).catch((error: unknown) => {
          if (error instanceof ConnectError && error.permanent) this.reasons.add(error.message);
          throw error;
        }),
    };
  }

  /** Whether somebody cannot be talked to for this reason. */
  has(reason: string): boolean {
    return this.reasons.has(reason);
  }
}
