import type {
  Connection,
  Listener,
  Receiver,
  Transport,
} from "../../../cluster/transport/transport.ts";
import { Recorder } from "./recorder.ts";

export const HERE = { host: "127.0.0.1", port: 0 };

/** Both ends of one connection, and what each has heard. */
export interface Pair {
  readonly listener: Listener;
  readonly dialler: Connection;
  readonly acceptor: Connection;
  readonly toDialler: Recorder;
  readonly toAcceptor: Recorder;
  close(): void;
}

/** Connects a transport to itself, or one to another. */
export async function connectPair(
  accepting: Transport,
  dialling = accepting,
  makeReceiver: () => Recorder = () => new Recorder(),
): Promise<Pair> {
  const [toAcceptor, toDialler] = [makeReceiver(), makeReceiver()];
  const accepted = Promise.withResolvers<Connection>();
  const listener = await accepting.listen(HERE, (connection): Receiver => {
    accepted.resolve(connection);
    return toAcceptor;
  });
  const dialler = await dialling.connect(listener.address, () => toDialler);
  const acceptor = await accepted.promise;
  const close = (): void => {
    dialler.close();
    acceptor.close();
    listener.close();
  };
  return { listener, dialler, acceptor, toDialler, toAcceptor, close };
}
