// A job's status for people: where it stands, a table of its peers, the last faults.
import type { PeerStatus, StatusReport } from "../../cluster/peer/status_report.ts";

/** Values of the log that stand in a line of their own, and their units. */
const RATES: readonly (readonly [name: string, unit: string])[] = [
  ["loss", ""],
  ["ppl", ""],
  ["lr", ""],
  ["wps", ""],
  ["ups", ""],
  ["exchanged_mb", " per update"],
  ["hidden", " %"],
];

export function statusLines(report: StatusReport): string[] {
  const { job, rank, pid, phase, generation, step, counts, uptime, peers, progress, faults } =
    report;
  const members = peers.filter(({ isMember }) => isMember).length;
  const epoch = progress.epoch === undefined ? "" : `, epoch ${progress.epoch}`;
  const rates = RATES.filter(([name]) => progress[name] !== undefined);
  return [
    `job ${job}: ${counts} ${step}${epoch}, ${members} members in generation ${generation}`,
    `  rank ${rank} answers: process ${pid}, ${DOING[phase]}, up ${duration(uptime)}`,
    ...(rates.length > 0
      ? [`  ${rates.map(([name, unit]) => `${name} ${rounded(progress[name])}${unit}`).join(", ")}`]
      : []),
    "",
    ...table([
      ["rank", "address", counts, "heard", "wps", "state"],
      ...peers.map((peer) => row(peer, peer.rank === rank, progress[`wps_${peer.rank}`])),
    ]),
    "",
    ...(faults.length > 0
      ? ["last faults:", ...faults.map((fault) => `  ${fault}`)]
      : ["no faults"]),
  ];
}

const DOING: Readonly<Record<StatusReport["phase"], string>> = {
  forming: "waits for all peers",
  member: "trains",
  changing: "agrees with the others on new members",
  suspended: "is suspended, for too few are in reach",
};

function row(peer: PeerStatus, isSelf: boolean, wps: number | undefined): string[] {
  const { rank, address, isMember, step, heard } = peer;
  return [
    String(rank),
    address,
    step === null ? "-" : String(step),
    isSelf ? "itself" : heard === null ? "-" : `${heard.toFixed(1)} s`,
    wps === undefined || !isMember ? "-" : String(wps),
    stateOf(peer),
  ];
}

function stateOf({ address, isMember, phase, trouble }: PeerStatus): string {
  if (phase === null) {
    return `not in reach: ${trouble?.replace(`${address}: `, "") ?? "has not come yet"}`;
  }
  return isMember && phase !== "member" ? `member, ${phase}` : phase;
}

/** Columns as wide as they must be. */
function table(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows.map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i]))
      .join("  ")
      .trimEnd(),
  );
}

const rounded = (value: number): number => Number(value.toPrecision(6));

/** 45 s, 12 min, 3 h 5 min */
function duration(seconds: number): string {
  if (seconds < 60) return `${seconds.toFixed(0)} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
