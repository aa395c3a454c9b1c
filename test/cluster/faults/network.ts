// A network of its own for every peer, all of them on one bridge: a partition takes ports off it. Needs
// root and iproute2. Addresses are of the loopback range, so that peers need no certificates.
import { spawnSync } from "node:child_process";
import process from "node:process";

const ip = (...words: string[]): void => {
  const { status, stderr } = spawnSync("ip", words, { encoding: "utf8" });
  if (status !== 0) throw new Error(`ip ${words.join(" ")}: ${stderr}`);
};

/** Why there can be none here; undefined if there can. */
export function networkObstacle(): string | undefined {
  if (process.platform !== "linux") return "network namespaces are Linux's";
  const { status, error } = spawnSync("ip", ["netns", "add", "weft-probe"]);
  if (error) return "there is no ip(8): install iproute2";
  if (status !== 0) return "network namespaces need root";
  ip("netns", "del", "weft-probe");
  return undefined;
}

export class Network {
  private readonly name = `weft${process.pid % 10000}`;
  private readonly bridge = `${this.name}b`;

  constructor(private readonly peers: number) {
    ip("netns", "add", this.bridge);
    for (const name of ["br0", "br1"]) {
      ip("-n", this.bridge, "link", "add", name, "type", "bridge");
      ip("-n", this.bridge, "link", "set", name, "up");
    }
    for (let rank = 0; rank < peers; rank++) this.add(rank);
  }

  /** Words before a command that is to run there. */
  prefix(rank: number): readonly string[] {
    return ["ip", "netns", "exec", this.of(rank)];
  }

  addresses(): string[] {
    return Array.from({ length: this.peers }, (_, rank) => `127.77.0.${rank + 1}:29400`);
  }

  /** From now on these hear each other, and nobody else. */
  partition(ranks: readonly number[]): void {
    for (const rank of ranks) this.attach(rank, "br1");
  }

  heal(): void {
    for (let rank = 0; rank < this.peers; rank++) this.attach(rank, "br0");
  }

  /** From now on two do not hear each other, though both hear the others. */
  block(a: number, b: number): void {
    ip("-n", this.of(a), "route", "add", "blackhole", `127.77.0.${b + 1}/32`);
    ip("-n", this.of(b), "route", "add", "blackhole", `127.77.0.${a + 1}/32`);
  }

  unblock(a: number, b: number): void {
    ip("-n", this.of(a), "route", "del", "blackhole", `127.77.0.${b + 1}/32`);
    ip("-n", this.of(b), "route", "del", "blackhole", `127.77.0.${a + 1}/32`);
  }

  close(): void {
    for (const name of [...Array.from({ length: this.peers }, (_, rank) => this.of(rank))]) {
      spawnSync("ip", ["netns", "del", name]);
    }
    spawnSync("ip", ["netns", "del", this.bridge]);
  }

  private of(rank: number): string {
    return `${this.name}p${rank}`;
  }

  private attach(rank: number, bridge: string): void {
    ip("-n", this.bridge, "link", "set", `port${rank}`, "master", bridge);
  }

  private add(rank: number): void {
    const [space, port] = [this.of(rank), `port${rank}`];
    ip("netns", "add", space);
    ip("-n", space, "link", "set", "lo", "up");
    const pair = ["link", "add", "eth", "netns", space, "type", "veth", "peer", "name", port];
    ip(...pair, "netns", this.bridge);
    ip("-n", this.bridge, "link", "set", port, "up");
    this.attach(rank, "br0");
    const settings = ["all/route_localnet", "eth/route_localnet"].map((each) => [each, 1]);
    const filters = ["all/rp_filter", "eth/rp_filter"].map((each) => [each, 0]);
    const script = [...settings, ...filters]
      .map(([key, value]) => `echo ${value} > /proc/sys/net/ipv4/conf/${key}`)
      .join("; ");
    ip("-n", space, "link", "set", "eth", "up");
    ip("netns", "exec", space, "sh", "-c", script);
    // 127.0.0.0/8 belongs to lo there; this part of it goes out.
    ip("-n", space, "addr", "add", `127.77.0.${rank + 1}/24`, "dev", "eth");
  }
}
