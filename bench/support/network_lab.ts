// Network namespaces on one machine, joined by a bridge, each with a link of a given rate. Needs root, `ip`
// and `tc`; nothing outside 127/8 is reached.
import { execFileSync } from "node:child_process";

const BRIDGE = "weftbr";
const nameOf = (host: number): string => `weft${host}`;

const run = (command: string): void => {
  const [program, ...args] = command.split(" ");
  execFileSync(program, args, { stdio: ["ignore", "ignore", "pipe"] });
};

/** Address of a host, from 0, inside its namespace. */
export const addressOf = (host: number): string => `127.88.0.${host + 1}`;

/** What to put before a command that is to run on a host. */
export const onHost = (host: number): string[] => ["ip", "netns", "exec", nameOf(host)];

/**
 * Sets up `hosts` of them.
 * @param rate of each one's link, as tc writes it: "1gbit"; undefined for as fast as it goes.
 */
export function buildLab(hosts: number, rate: string | undefined): void {
  removeLab();
  run(`ip netns add ${BRIDGE}`);
  run(`ip -n ${BRIDGE} link add br0 type bridge`);
  run(`ip -n ${BRIDGE} link set br0 up`);
  for (let host = 0; host < hosts; host++) {
    const name = nameOf(host);
    run(`ip netns add ${name}`);
    run(`ip link add eth0 netns ${name} type veth peer name p${host} netns ${BRIDGE}`);
    run(`ip -n ${BRIDGE} link set p${host} master br0 up`);
    run(`ip -n ${name} link set eth0 up`);
    for (const setting of [
      "all/route_localnet=1",
      "eth0/route_localnet=1",
      "all/rp_filter=0",
      "eth0/rp_filter=0",
    ]) {
      const [path, value] = setting.split("=");
      const key = `net.ipv4.conf.${path.replace("/", ".")}`;
      run(`ip netns exec ${name} sysctl -q -w ${key}=${value}`);
    }
    run(`ip -n ${name} addr add ${addressOf(host)}/24 dev eth0`);
    if (rate)
      run(`tc -n ${name} qdisc replace dev eth0 root tbf rate ${rate} burst 256kb latency 20ms`);
  }
}

export function removeLab(): void {
  for (const name of [...Array.from({ length: 16 }, (_, host) => nameOf(host)), BRIDGE]) {
    try {
      run(`ip netns del ${name}`);
    } catch {
      // It is not there.
    }
  }
}
