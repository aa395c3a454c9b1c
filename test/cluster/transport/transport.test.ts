// What every transport does, whichever way its connections are secured.
import { describe, expect, test } from "bun:test";
import { openTransport } from "../../../cluster/transport/open_transport.ts";
import type { Security } from "../../../cluster/transport/security.ts";
import { ConnectError } from "../../../cluster/transport/transport.ts";
import { UserError } from "../../../src/config/user_error.ts";
import { seededRandom } from "../../support/random.ts";
import { bothSockets, runtimeSockets } from "./both_sockets.ts";
import { identityOf } from "./identities.ts";
import { connectPair, HERE } from "./pair.ts";
import { Recorder } from "./recorder.ts";

const MB = 2 ** 20;

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

const securities: readonly Security[] = [
  { kind: "plain" },
  { kind: "tls", ...identityOf("a") },
  { kind: "secret", secret: bytes("what only peers of this job know") },
];

const ways = securities.flatMap((security) =>
  (security.kind === "tls" ? [runtimeSockets] : bothSockets).map((each) => ({ security, ...each })),
);

for (const { security, name, sockets } of ways) {
  const transport = openTransport(security, { sockets });

  describe(`over ${security.kind} connections by ${name}`, () => {
    test("bytes of every size arrive as they were sent, in both directions at once", async () => {
      const random = seededRandom(11);
      const pattern = Uint8Array.from({ length: 6 * MB }, () => random.int(0, 255));
      const receiver = () => new Recorder(() => new Uint8Array(random.int(1, 200_000)));
      const pair = await connectPair(transport, transport, receiver);
      const sizes = [0, 1, 7, 30, 4096, 16383, 16384, 16385, 65536, MB, 5 * MB, 3, 0, 300_001];
      const total = sizes.reduce((sum, size) => sum + size, 0);
      const expected: Uint8Array[] = [];
      let sent = 0;
      for (const size of sizes) {
        const start = random.int(0, pattern.length - size);
        const pieces: Uint8Array[] = [];
        for (let at = start; at < start + size; ) {
          const length = Math.min(start + size - at, random.int(1, 1 + size / 2));
          pieces.push(pattern.subarray(at, at + length));
          at += length;
        }
        expected.push(...pieces);
        for (const end of [pair.dialler, pair.acceptor]) end.send(pieces, { sent: () => sent++ });
      }
      const whole = Buffer.concat(expected);
      expect(whole.equals(await pair.toAcceptor.bytes(total))).toBe(true);
      expect(whole.equals(await pair.toDialler.bytes(total))).toBe(true);
      expect(sent).toBe(2 * sizes.length);
      expect(pair.dialler.queued + pair.acceptor.queued).toBe(0);
      const { traffic } = pair.dialler;
      expect(traffic.sent).toBeGreaterThanOrEqual(total);
      expect(traffic.received).toBe(pair.acceptor.traffic.sent);
      pair.close();
    });

    test("bytes go from shared memory to shared memory", async () => {
      const shared = (): Uint8Array => new Uint8Array(new SharedArrayBuffer(70_000));
      const pair = await connectPair(transport, transport, () => new Recorder(shared));
      const payload = shared().fill(5);
      pair.dialler.send([payload, payload.subarray(0, 10)]);
      const received = await pair.toAcceptor.bytes(70_010);
      expect(received.every((byte) => byte === 5)).toBe(true);
      pair.close();
    });

    test("urgent frames overtake what has not begun; dropped frames never arrive", async () => {
      const pair = await connectPair(transport);
      const sent: string[] = [];
      const long = new Uint8Array(16 * MB);
      pair.dialler.send([long], { sent: () => sent.push("long") });
      for (const text of ["dropped ", "dropped too "]) {
        pair.dialler.send([bytes(text)], { sent: () => sent.push(text) });
      }
      pair.dialler.dropQueued();
      pair.dialler.send([bytes("ordinary")], { sent: () => sent.push("ordinary") });
      pair.dialler.send([bytes("urgent ")], { urgent: true, sent: () => sent.push("urgent") });
      expect(pair.dialler.queued).toBeGreaterThan(MB);
      const text = await pair.toAcceptor.text(16 * MB + 15);
      expect(text.slice(16 * MB)).toBe("urgent ordinary");
      expect(sent).toEqual(["long", "urgent", "ordinary"]);
      pair.close();
    });

    test("close() ends both sides in good order, once", async () => {
      const pair = await connectPair(transport);
      pair.acceptor.send([bytes("last words")]);
      await pair.toDialler.bytes(10);
      pair.acceptor.close();
      expect(pair.toAcceptor.ends).toEqual([]); // not from within close()
      expect(await pair.toAcceptor.end).toBe(undefined);
      expect(await pair.toDialler.end).toBe(undefined);
      pair.acceptor.close();
      pair.dialler.close();
      let sent = false;
      pair.dialler.send([bytes("too late")], { sent: () => (sent = true) });
      pair.acceptor.send([bytes("too late")], { sent: () => (sent = true) });
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect(sent).toBe(false);
      expect([pair.dialler.queued, pair.acceptor.queued]).toEqual([0, 0]);
      expect([pair.toDialler.ends, pair.toAcceptor.ends]).toEqual([[undefined], [undefined]]);
      pair.close();
    });

    test("what is queued when a connection closes is not sent, and sent is not called", async () => {
      const pair = await connectPair(transport);
      let sent = false;
      pair.dialler.send([new Uint8Array(64 * MB)], { sent: () => (sent = true) });
      pair.dialler.close();
      await pair.toAcceptor.end;
      expect(sent).toBe(false);
      expect(pair.toAcceptor.received).toBeLessThan(64 * MB);
      pair.close();
    });

    test("what a receiver throws is the reason its connection ends, and no other one's", async () => {
      const one = await connectPair(transport);
      const other = await connectPair(transport);
      one.toAcceptor.filled = () => {
        throw new Error("a frame of 9 GB");
      };
      one.dialler.send([bytes("hello")]);
      expect(await one.toAcceptor.end).toBe("a frame of 9 GB");
      await one.toDialler.end;
      other.dialler.send([bytes("hello")]);
      expect(await other.toAcceptor.text(5)).toBe("hello");
      expect(one.toAcceptor.ends.length + other.toAcceptor.ends.length).toBe(1);
      one.close();
      other.close();
    });

    test("a connection that accept refuses closes; the next one is served", async () => {
      let refuse = true;
      const receiver = new Recorder();
      const listener = await transport.listen(HERE, () => {
        if (refuse) throw new Error("enough connections");
        return receiver;
      });
      const refused = new Recorder();
      await transport.connect(listener.address, () => refused);
      await refused.end;
      refuse = false;
      const served = await transport.connect(listener.address, () => new Recorder());
      served.send([bytes("hello")]);
      expect(await receiver.text(5)).toBe("hello");
      served.close();
      listener.close();
    });

    test("closing a listener refuses newcomers and leaves its connections alone", async () => {
      const pair = await connectPair(transport);
      pair.listener.close();
      pair.listener.close();
      await new Promise((resolve) => setTimeout(resolve, 20)); // Deno's closes in its own time
      const error = await transport
        .connect(pair.listener.address, () => new Recorder())
        .catch((reason) => reason);
      expect(error).toBeInstanceOf(ConnectError);
      expect(error.permanent).toBe(false);
      expect(error.message).toContain("nobody listens there");
      expect(error.message).toContain(`127.0.0.1:${pair.listener.address.port}`);
      pair.dialler.send([bytes("hello")]);
      expect(await pair.toAcceptor.text(5)).toBe("hello");
      pair.close();
    });
  });
}

for (const { name, sockets } of bothSockets) {
  const transport = openTransport({ kind: "plain" }, { sockets });

  test(`a port in use is an error that names the address and what to do by ${name}`, async () => {
    const listener = await transport.listen(HERE, () => new Recorder());
    const error = await transport.listen(listener.address, () => new Recorder()).catch((e) => e);
    expect(error).toBeInstanceOf(UserError);
    expect(error.message).toContain(`127.0.0.1:${listener.address.port}: another process listens`);
    expect(error.message).toContain("give this one a --rank of its own");
    expect(error.message).toContain("choose another port");
    listener.close();
  });

  test(`an address of another machine is an error that names it by ${name}`, async () => {
    const address = { host: "192.0.2.1", port: 0 };
    const error = await transport.listen(address, () => new Recorder()).catch((e) => e);
    expect(error).toBeInstanceOf(UserError);
    expect(error.message).toContain("192.0.2.1:0: this machine does not have that address");
  });

  test(`what open throws is what connect throws by ${name}`, async () => {
    const listener = await transport.listen(HERE, () => new Recorder());
    const connecting = transport.connect(listener.address, () => {
      throw new Error("no room");
    });
    expect(await connecting.catch((error) => error.message)).toBe("no room");
    listener.close();
  });
}
