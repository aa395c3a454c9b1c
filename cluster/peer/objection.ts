// Why a process that introduces itself cannot be a peer of this one.
import { type Hello, PROTOCOL } from "../membership/messages.ts";

/** Seconds by which two clocks may differ. */
const CLOCK_TOLERANCE = 300;

const SAME = "start all peers with the same command, data and version";

/** Of several flags, those that differ: "--lr is 1, not 2". */
function difference(what: string, theirs: string, own: string): string {
  if (!theirs.startsWith("--") || !own.startsWith("--")) return `${what} is ${theirs}, not ${own}`;
  const [a, b] = [flagsIn(theirs), flagsIn(own)];
  const unlike = [...new Set([...b.keys(), ...a.keys()])].filter(
    (key) => a.get(key) !== b.get(key),
  );
  return unlike
    .map((flag) => `${flag} is ${a.get(flag) ?? "unset"}, not ${b.get(flag) ?? "unset"}`)
    .slice(0, 3)
    .join(", ");
}

const flagsIn = (text: string): Map<string, string> =>
  new Map(
    text.split("\n").map((line) => {
      const space = line.indexOf(" ");
      return [line.slice(0, space), line.slice(space + 1)];
    }),
  );

/** @returns the reason with its remedy; undefined if it fits. */
export function objectionTo(peer: Hello, own: Hello): string | undefined {
  if (peer.protocol !== own.protocol) {
    return `it speaks version ${peer.protocol} of the protocol, not ${PROTOCOL}; install one weft on all machines`;
  }
  if (peer.job !== own.job) {
    return `it belongs to the job ${peer.job}, not ${own.job}; give each job addresses of its own`;
  }
  if (peer.self.rank === own.self.rank) {
    return `two processes are rank ${own.self.rank}; give each its own --rank`;
  }
  if (!peer.joining && !own.joining) {
    if (peer.size !== own.size) {
      return `it counts ${peer.size} peers, not ${own.size}; start all with one list of peers`;
    }
    if (peer.self.rank >= own.size) {
      return `there are ranks 0 to ${own.size - 1}; start it with --join to add it to a running job`;
    }
  }
  for (const [what, value] of Object.entries(own.agreement)) {
    const theirs = peer.agreement[what];
    if (theirs !== value) return `its ${difference(what, theirs ?? "unknown", value)}; ${SAME}`;
  }
  const ahead = (peer.clock - own.clock) / 1000;
  if (Math.abs(ahead) > CLOCK_TOLERANCE) {
    const way = ahead > 0 ? "ahead" : "behind";
    return `its clock is ${Math.abs(ahead).toFixed(0)} s ${way}; set the clocks of all machines (NTP)`;
  }
  return undefined;
}
