// Who is taken for a peer by a shared secret.
import { describe, expect, test } from "bun:test";
import { createServer, connect as dialTcp, type Socket } from "node:net";
import { openTransport } from "../../../cluster/transport/open_transport.ts";
import { ConnectError, type Transport } from "../../../cluster/transport/transport.ts";
import { bothSockets } from "./both_sockets.ts";
import { connectPair, HERE } from "./pair.ts";
import { Recorder } from "./recorder.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

for (const { name, sockets } of bothSockets) {
  describe(`a shared secret over ${name}`, () => {
    const secured = (secret: string, patience = 2000): Transport =>
      openTransport(
        { kind: "secret", secret: bytes(secret) },
        { limits: { patience, unproven: 64 }, sockets },
      );

    const ours = secured("sixteen bytes or more");

    test(`a dialler with another secret is told so, and nobody gets a connection`, async () => {
      let connections = 0;
      const take = (): Recorder => {
        connections++;
        return new Recorder();
      };
      const listener = await ours.listen(HERE, take);
      const error = await secured("another secret of ours")
        .connect(listener.address, take)
        .catch((reason) => reason);
      listener.close();
      expect(error).toBeInstanceOf(ConnectError);
      expect(error.permanent).toBe(true);
      expect(error.message).toContain("it has another secret; give all peers the same one");
      expect(connections).toBe(0);
    });

    test(`a connection by secret proves no name`, async () => {
      const pair = await connectPair(ours);
      expect([pair.dialler.proven, pair.acceptor.proven]).toEqual([undefined, undefined]);
      pair.close();
    });

    test(`a secret that can be guessed is refused`, () => {
      expect(() => secured("short")).toThrow("the secret of the cluster: 5 bytes can be guessed");
    });

    /** What the listener answers to one who dials and writes this, until it hangs up. */
    async function answerTo(...writes: readonly Uint8Array[]): Promise<Uint8Array> {
      let connections = 0;
      const listener = await ours.listen(HERE, () => {
        connections++;
        return new Recorder();
      });
      const answer = await new Promise<Uint8Array>((resolve) => {
        const chunks: Uint8Array[] = [];
        const socket = dialTcp(listener.address.port, listener.address.host, () => {
          for (const each of writes) socket.write(each);
        });
        socket.on("data", (chunk: Uint8Array) => chunks.push(chunk));
        socket.on("error", () => undefined);
        socket.on("close", () => resolve(new Uint8Array(Buffer.concat(chunks))));
      });
      listener.close();
      expect(connections).toBe(0);
      return answer;
    }

    const GREETING = 40;

    test(`a caller that speaks otherwise hears the greeting and no more`, async () => {
      expect((await answerTo(bytes("GET / HTTP/1.1\r\n\r\n"))).length).toBeLessThanOrEqual(
        GREETING,
      );
    });

    test(`a caller that proves nothing gets no proof of the listener, only a zero`, async () => {
      const greeting = [bytes("weftgx/1"), new Uint8Array(32)];
      const answer = await answerTo(...greeting, new Uint8Array(32));
      expect(answer.length).toBe(GREETING + 1);
      expect(answer.at(-1)).toBe(0);
    });

    /** A server that lives for one caller. */
    async function against(
      serve: (socket: Socket) => void,
      transport: Transport,
    ): Promise<ConnectError & { opened: boolean }> {
      let opened = false;
      const server = createServer((socket) => {
        // A dialler that gives up resets the connection.
        socket.on("error", () => undefined);
        serve(socket);
      });
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      const bound = server.address();
      const port = bound && typeof bound === "object" ? bound.port : 0;
      const error = await transport
        .connect({ host: "127.0.0.1", port }, () => {
          opened = true;
          return new Recorder();
        })
        .catch((reason) => reason);
      server.close();
      expect(error).toBeInstanceOf(ConnectError);
      return Object.assign(error, { opened });
    }

    test(`a listener that sends a dialler's words back does not pass for a peer`, async () => {
      let heard = 0;
      const mirror = (socket: Socket): void => {
        socket.on("error", () => undefined);
        socket.on("data", (chunk) => {
          if (heard >= GREETING) socket.write(new Uint8Array([1]));
          heard += chunk.length;
          socket.write(chunk);
        });
      };
      const error = await against(mirror, ours);
      expect(error.permanent).toBe(true);
      expect(error.opened).toBe(false);
    });

    test(`a listener that proves nothing does not pass for a peer`, async () => {
      const liar = (socket: Socket): void => {
        socket.on("error", () => undefined);
        socket.write(
          Buffer.concat([
            bytes("weftgx/1"),
            new Uint8Array(32),
            bytes("\x01"),
            bytes("?".repeat(99)),
          ]),
        );
      };
      const error = await against(liar, ours);
      expect(error.message).toContain("it has another secret");
      expect(error.opened).toBe(false);
    });

    test(`a listener of another kind is told from one with another secret`, async () => {
      const error = await against(
        (socket) => void socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"),
        ours,
      );
      expect(error.message).toContain("it proves no secret; secure all peers in the same way");
    });

    test(`a listener that says nothing is given up after the dialler's patience`, async () => {
      const error = await against(() => undefined, secured("sixteen bytes or more", 100));
      expect(error.message).toContain("no answer within 0.1 s");
      expect(error.permanent).toBe(false);
    });

    test(`a listener that hangs up halfway may be tried again`, async () => {
      const error = await against((socket) => void socket.destroy(), ours);
      expect(error.message).toContain("ended before both sides had proven who they are");
      expect(error.permanent).toBe(false);
    });
  });
}
