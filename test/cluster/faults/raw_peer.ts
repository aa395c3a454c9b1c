// A peer that is only a socket: learns what a real one says of itself, and says something like it.
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import type { Hello, Message } from "../../../cluster/membership/messages.ts";
import { encodeControl } from "../../../cluster/wire/encode_control.ts";
import { type FrameSink, MAX_CONTROL } from "../../../cluster/wire/frame.ts";
import { FrameReader } from "../../../cluster/wire/frame_reader.ts";

/** Answers the first message that comes on a socket. @returns the second one, if there is any. */
function listenOn(socket: Socket, answer: (first: Message) => Message | undefined): void {
  const sink: FrameSink = {
    place: () => undefined,
    arrived: () => undefined,
    control(document) {
      const said = answer(document as Message);
      if (said) for (const piece of [encodeControl(said)]) socket.write(piece);
    },
    closed: () => undefined,
  };
  const reader = new FrameReader(sink, { maxControl: MAX_CONTROL });
  socket.on("data", (chunk: Buffer) => {
    for (let at = 0; at < chunk.length; ) {
      const space = reader.space();
      const part = chunk.subarray(at, at + space.length);
      space.set(part);
      reader.filled(part.length);
      at += part.length;
    }
  });
  socket.on("error", () => undefined);
}

/** Listens as a peer would, and answers each greeting. @returns how to end it. */
export async function impostorAt(
  address: string,
  answer: (hello: Hello) => Message | undefined,
): Promise<() => void> {
  const [host, port] = address.split(":");
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    let isFirst = true;
    listenOn(socket, (first) => {
      if (!isFirst) return undefined;
      isFirst = false;
      return answer(first as Hello);
    });
  });
  server.listen(Number(port), host);
  await once(server, "listening");
  return () => {
    for (const socket of sockets) socket.destroy();
    server.close();
  };
}

/** Greets a peer. @returns what it answers. */
export async function greet(address: string, hello: Hello): Promise<Message> {
  const [host, port] = address.split(":");
  const socket = connect(Number(port), host);
  await once(socket, "connect");
  const answered = Promise.withResolvers<Message>();
  listenOn(socket, (first) => {
    answered.resolve(first);
    return undefined;
  });
  for (const piece of [encodeControl(hello)]) socket.write(piece);
  const answer = await answered.promise;
  socket.destroy();
  return answer;
}
