// A bad cable: passes on what one peer sends to another, and turns a bit over when a test says so.
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";

/** Smallest chunk that is spoiled: gradients, not heartbeats. */
const SMALLEST = 1000;

export class FlippingProxy {
  private spoiling: "toTarget" | "fromTarget" | undefined;

  private constructor(
    private readonly server: Server,
    readonly address: string,
  ) {}

  /** @param target address of the peer behind it. */
  static async open(target: string): Promise<FlippingProxy> {
    const [host, port] = target.split(":");
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const place = server.address();
    if (typeof place !== "object" || !place) throw new Error("the proxy has no address");
    const proxy = new FlippingProxy(server, `127.0.0.1:${place.port}`);
    server.on("connection", (caller) => {
      const onward = connect(Number(port), host);
      proxy.pass(caller, onward, "toTarget");
      proxy.pass(onward, caller, "fromTarget");
    });
    return proxy;
  }

  /** Spoils the next large chunk. */
  spoil(direction: "toTarget" | "fromTarget"): void {
    this.spoiling = direction;
  }

  close(): void {
    this.server.close();
  }

  private pass(from: Socket, to: Socket, direction: "toTarget" | "fromTarget"): void {
    from.on("data", (chunk: Buffer) => {
      if (this.spoiling === direction && chunk.length >= SMALLEST) {
        this.spoiling = undefined;
        chunk[chunk.length >> 1] ^= 4;
      }
      to.write(chunk);
    });
    from.on("error", () => to.destroy());
    from.on("close", () => to.destroy());
  }
}
