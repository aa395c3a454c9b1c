// The calls of Linux's C library that sockets need. Bytes go from and to the given memory, shared or not,
// without a copy on the way. Nothing here waits, but for `poll`.
import { constants } from "node:os";
import process from "node:process";
import { libcLibrary } from "../../src/native/libc_library.ts";
import {
  type NativeFunction,
  type NativeLibrary,
  type NativeRuntime,
  nativeRuntime,
} from "../../src/native/native_runtime.ts";
import { MOST_PIECES } from "./send_queue.ts";
import { decodeAddress, encodeAddress, familyOf, MAX_ADDRESS_BYTES } from "./socket_address.ts";
import type { Address } from "./transport.ts";

/** The same on all of Linux's architectures that Bun and Deno run on. */
const SOCK_STREAM = 1;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_ERROR = 4;
const SO_RCVLOWAT = 18;
const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;
const MSG_NOSIGNAL = 0x4000;
const BACKLOG = 511;
const MADV_HUGEPAGE = 14;
const PAGE_BYTES = 4096;

/** Of poll(). */
export const POLLIN = 1;
export const POLLOUT = 4;

const CALLS = {
  __errno_location: [],
  memcpy: ["address", "address", "address"],
  socket: ["i32", "i32", "i32"],
  bind: ["i32", "address", "i32"],
  listen: ["i32", "i32"],
  connect: ["i32", "address", "i32"],
  accept4: ["i32", "address", "address", "i32"],
  getsockname: ["i32", "address", "address"],
  setsockopt: ["i32", "i32", "i32", "address", "i32"],
  getsockopt: ["i32", "i32", "i32", "address", "address"],
  recv: ["i32", "address", "address", "i32"],
  sendmsg: ["i32", "address", "i32"],
  poll: ["address", "address", "i32"],
  close: ["i32"],
  madvise: ["address", "address", "i32"],
  eventfd: ["i32", "i32"],
  read: ["i32", "address", "address"],
  write: ["i32", "address", "address"],
  process_vm_readv: ["i32", "address", "address", "address", "address", "address"],
} as const;

type Calls = Readonly<Record<keyof typeof CALLS, NativeFunction>>;

/** Codes of errno that only say "not now". */
const NOT_NOW: ReadonlySet<string> = new Set(["EAGAIN", "EWOULDBLOCK", "EINTR"]);

const CODES = new Map(Object.entries(constants.errno).map(([code, number]) => [number, code]));

/** What a call of the C library has refused. */
export class LibcError extends Error {
  constructor(
    call: string,
    /** "ECONNREFUSED", say. */
    readonly code: string,
  ) {
    super(`${call}: ${code}`);
    this.name = "LibcError";
  }
}

/** The library, or why there is none here. */
export async function openLibc(): Promise<Libc | { readonly reason: string }> {
  if (process.platform !== "linux") return { reason: `${process.platform} is not Linux` };
  const runtime = await nativeRuntime();
  if ("reason" in runtime) return runtime;
  const library = libcLibrary(runtime);
  if ("reason" in library) return library;
  try {
    return new Libc(runtime, callsOf(library));
  } catch (error) {
    return { reason: (error as Error).message };
  }
}

function callsOf(library: NativeLibrary): Calls {
  const found = Object.entries(CALLS).map(([name, parameters]) => {
    const result = name === "__errno_location" ? "address" : "i32"; // counts are below 2^31
    const call = library.find(name, parameters, result);
    if (!call) throw new Error(`the C library has no ${name}`);
    return [name, call] as const;
  });
  return Object.fromEntries(found) as unknown as Calls;
}

/** Memory for the structs of calls, at an address that stays. */
class Scratch {
  readonly address: number;
  readonly bytes: Uint8Array;
  readonly view: DataView;

  constructor(runtime: NativeRuntime, size: number) {
    const memory = new SharedArrayBuffer(size);
    this.bytes = new Uint8Array(memory);
    this.view = new DataView(memory);
    this.address = runtime.addressOf(this.bytes);
  }

  /** Writes an array of struct iovec { void *base; size_t length } and returns its address. */
  list(at: number, pieces: Iterable<readonly [address: number, length: number]>): number {
    let place = at;
    for (const [address, length] of pieces) {
      this.view.setBigUint64(place, BigInt(address), true);
      this.view.setBigUint64(place + 8, BigInt(length), true);
      place += 16;
    }
    return this.address + at;
  }
}

/** Bytes of a list of as many pieces as one `send`, or one read of another process's memory, may have. */
const LIST_BYTES = 16 * MOST_PIECES;

/** Where parts of the scratch memory begin. */
const AT = { number: 0, length: 8, address: 16, message: 128, list: 256, other: 256 + LIST_BYTES };

export class Libc {
  private readonly scratch: Scratch;
  private readonly errnoAt: number;

  constructor(
    private readonly runtime: NativeRuntime,
    private readonly call: Calls,
  ) {
    this.scratch = new Scratch(runtime, AT.other + LIST_BYTES);
    this.errnoAt = Number(call.__errno_location());
  }

  addressOf(bytes: Uint8Array): number {
    return this.runtime.addressOf(bytes);
  }

  /** A TCP socket for addresses like this one, that never waits. @param ip of version 4 or 6. */
  socket(ip: string): number {
    const type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
    return this.checked("socket", this.call.socket(familyOf(ip), type, 0));
  }

  /** @returns the port. @throws LibcError */
  listen(fd: number, address: Address): number {
    this.setOption(fd, SOL_SOCKET, SO_REUSEADDR);
    const [at, length] = this.put(address);
    this.checked("bind", this.call.bind(fd, at, length));
    this.checked("listen", this.call.listen(fd, BACKLOG));
    return this.localAddress(fd).port;
  }

  /** Begins to connect: the socket can be written to once that is over, and `failure` tells how. */
  connect(fd: number, address: Address): void {
    const [at, length] = this.put(address);
    if (Number(this.call.connect(fd, at, length)) >= 0) return;
    const code = this.errno();
    if (code !== "EINPROGRESS") throw new LibcError("connect", code);
  }

  /** @returns undefined where nobody waits. @throws LibcError */
  accept(fd: number): { fd: number; remote: Address } | undefined {
    const { address, view } = this.scratch;
    view.setInt32(AT.length, MAX_ADDRESS_BYTES, true);
    const at = [address + AT.address, address + AT.length] as const;
    const accepted = this.count(
      "accept",
      this.call.accept4(fd, ...at, SOCK_NONBLOCK | SOCK_CLOEXEC),
    );
    return accepted === undefined ? undefined : { fd: accepted, remote: this.taken() };
  }

  localAddress(fd: number): Address {
    const { address, view } = this.scratch;
    view.setInt32(AT.length, MAX_ADDRESS_BYTES, true);
    const at = [address + AT.address, address + AT.length] as const;
    this.checked("getsockname", this.call.getsockname(fd, ...at));
    return this.taken();
  }

  /** Sends small pieces at once. */
  setNoDelay(fd: number): void {
    this.setOption(fd, IPPROTO_TCP, TCP_NODELAY);
  }

  /** From now on `poll` says that a socket can be read once so many bytes are there, or its end. */
  setLowWater(fd: number, bytes: number): void {
    this.setOption(fd, SOL_SOCKET, SO_RCVLOWAT, bytes);
  }

  /** What went wrong with a socket since this was asked last. */
  failure(fd: number): LibcError | undefined {
    const { address, view } = this.scratch;
    view.setInt32(AT.length, 4, true);
    const at = [address + AT.number, address + AT.length] as const;
    this.checked("getsockopt", this.call.getsockopt(fd, SOL_SOCKET, SO_ERROR, ...at));
    const number = view.getInt32(AT.number, true);
    return number === 0 ? undefined : new LibcError("connect", codeOf(number));
  }

  /** @returns bytes read, 0 at the end, undefined where nothing has come. @throws LibcError */
  receive(fd: number, into: Uint8Array): number | undefined {
    return this.count("recv", this.call.recv(fd, this.addressOf(into), into.length, 0));
  }

  /**
   * @param pieces at most MOST_PIECES.
   * @returns bytes that the kernel took, undefined where it takes none now. @throws LibcError
   */
  send(fd: number, pieces: readonly Uint8Array[]): number | undefined {
    const { address, view } = this.scratch;
    const list = this.scratch.list(AT.list, this.places(pieces));
    // struct msghdr { name; namelen; iov; iovlen; control; controllen; flags }
    view.setBigUint64(AT.message + 16, BigInt(list), true);
    view.setBigUint64(AT.message + 24, BigInt(pieces.length), true);
    return this.count("send", this.call.sendmsg(fd, address + AT.message, MSG_NOSIGNAL));
  }

  /**
   * Waits until something can be done with a socket.
   * @param table `count` times struct pollfd { int fd; short events; short revents }.
   * @returns how many of them have revents.
   */
  poll(table: Uint8Array, count: number, milliseconds: number): number {
    return this.count("poll", this.call.poll(this.addressOf(table), count, milliseconds)) ?? 0;
  }

  close(fd: number): void {
    this.call.close(fd);
  }

  /** Asks for large pages where memory is used for the first time; the system may have none. */
  useLargePages(bytes: Uint8Array): void {
    const begin = this.addressOf(bytes);
    const aligned = begin - (begin % PAGE_BYTES);
    this.call.madvise(aligned, begin + bytes.length - aligned, MADV_HUGEPAGE);
  }

  /** A file descriptor that can be read from once any thread of this process has called `ring`. */
  openBell(): number {
    return this.checked("eventfd", this.call.eventfd(0, SOCK_NONBLOCK | SOCK_CLOEXEC));
  }

  ring(bell: number): void {
    this.scratch.view.setBigUint64(AT.number, 1n, true);
    this.call.write(bell, this.scratch.address + AT.number, 8);
  }

  silence(bell: number): void {
    this.call.read(bell, this.scratch.address + AT.number, 8);
  }

  /** As NearMemory.read. */
  readMemory(pid: number, from: readonly number[], into: readonly Uint8Array[]): void {
    const here = this.scratch.list(AT.list, this.places(into));
    const there = this.scratch.list(
      AT.other,
      from.map((address, i) => [address, into[i].length] as const),
    );
    const count = from.length;
    const read = Number(this.call.process_vm_readv(pid, here, count, there, count, 0));
    if (read < 0) throw new LibcError("process_vm_readv", this.errno());
    const wanted = into.reduce((sum, { length }) => sum + length, 0);
    if (read < wanted) throw new LibcError("process_vm_readv", "EFAULT");
  }

  private *places(pieces: readonly Uint8Array[]): Iterable<readonly [number, number]> {
    for (const piece of pieces) yield [this.addressOf(piece), piece.length];
  }

  private put(address: Address): readonly [at: number, length: number] {
    const bytes = encodeAddress(address);
    this.scratch.bytes.set(bytes, AT.address);
    return [this.scratch.address + AT.address, bytes.length];
  }

  private taken(): Address {
    return decodeAddress(this.scratch.bytes.slice(AT.address, AT.address + MAX_ADDRESS_BYTES));
  }

  private setOption(fd: number, level: number, option: number, value = 1): void {
    const { address, view } = this.scratch;
    view.setInt32(AT.number, value, true);
    this.checked("setsockopt", this.call.setsockopt(fd, level, option, address + AT.number, 4));
  }

  private checked(name: string, result: ReturnType<NativeFunction>): number {
    const number = Number(result);
    if (number < 0) throw new LibcError(name, this.errno());
    return number;
  }

  private count(name: string, result: ReturnType<NativeFunction>): number | undefined {
    const number = Number(result);
    if (number >= 0) return number;
    const code = this.errno();
    if (NOT_NOW.has(code)) return undefined;
    throw new LibcError(name, code);
  }

  /** Of the last call: to be read before anything else is called. */
  private errno(): string {
    const { address, view } = this.scratch;
    this.call.memcpy(address + AT.number, this.errnoAt, 4);
    return codeOf(view.getInt32(AT.number, true));
  }
}

const codeOf = (errno: number): string => CODES.get(errno) ?? `error ${errno}`;
