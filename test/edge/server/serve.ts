// A server on a real socket, of Bun or of Deno, and clients that speak HTTP by hand.
import { connect, type Socket } from "node:net";

export interface Listening {
  readonly port: number;
  readonly url: string;
  stop(): Promise<void>;
}

type Fetch = (request: Request) => Promise<Response>;

interface DenoServer {
  readonly addr: { readonly port: number };
  shutdown(): Promise<void>;
}

interface Hosts {
  readonly Deno?: {
    serve(options: { port: number; hostname: string; onListen(): void }, fetch: Fetch): DenoServer;
  };
}

const hostname = "127.0.0.1";

/** Listens on a free port. */
export function serve(fetch: Fetch): Listening {
  const { Deno: deno } = globalThis as Hosts;
  if (deno !== undefined) {
    const server = deno.serve({ port: 0, hostname, onListen: () => undefined }, fetch);
    const { port } = server.addr;
    return { port, url: `http://${hostname}:${port}`, stop: () => server.shutdown() };
  }
  const server = Bun.serve({ port: 0, hostname, fetch });
  const port = server.port ?? 0;
  return { port, url: `http://${hostname}:${port}`, stop: () => server.stop() };
}

export interface Client {
  readonly socket: Socket;
  /** What has come back so far. */
  readonly received: string;
}

/** Connects and sends; whatever the server does to the connection is no error. */
export async function connectAndSend(port: number, text: string): Promise<Client> {
  const socket = connect({ port, host: hostname });
  let received = "";
  socket.on("data", (bytes) => {
    received += bytes.toString();
  });
  socket.on("error", () => undefined);
  await new Promise<void>((resolve) => {
    socket.on("connect", () => socket.write(text, () => resolve()));
  });
  return {
    socket,
    get received() {
      return received;
    },
  };
}

/** A POST by hand, whose content-length may lie. */
export function rawPost(path: string, body: string, length = body.length): string {
  const head = [
    `POST ${path} HTTP/1.1`,
    "host: weft.test",
    "content-type: application/json",
    `content-length: ${length}`,
  ];
  return `${head.join("\r\n")}\r\n\r\n${body}`;
}
