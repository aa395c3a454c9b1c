import type { SimulationOptions, SimulationResult } from "../../cluster/simulate/simulation.ts";
import {
  type ClusterSimulateConfig,
  clusterSimulate as config,
} from "../config/schemas/cluster_simulate.ts";
import { UserError } from "../config/user_error.ts";
import { command } from "./command.ts";

const MOST_PEERS = 4096;

/** Seconds per byte that a communication thread on Bun was measured to spend, each way. */
const BYTE_COST = { f32: 0.8e-9, bf16: 1.2e-9, int8: 1.8e-9 } as const;

export const clusterSimulate = command({
  name: "cluster simulate",
  summary: "estimate how a cluster of given size and network would train, and what failures cost",
  config,
  async run(settings, terminal) {
    const { Simulation } = await import("../../cluster/simulate/simulation.ts");
    const sizes = sizesOf(settings);
    terminal.line(titles());
    terminal.line(
      `|${titles()
        .split("|")
        .slice(1, -1)
        .map(() => "--:")
        .join("|")}|`,
    );
    for (const peers of sizes) {
      terminal.line(row(peers, new Simulation(optionsOf(settings, peers)).run()));
    }
  },
});

function sizesOf({ peers }: ClusterSimulateConfig): number[] {
  const sizes = peers.split(",").map(Number);
  const wrong = sizes.find((size) => size < 1 || size > MOST_PEERS);
  if (wrong === undefined) return sizes;
  throw new UserError({
    place: `--peers ${peers}`,
    problem: `${wrong} peers cannot be simulated`,
    remedy: `give numbers from 1 to ${MOST_PEERS}`,
  });
}

function optionsOf(settings: ClusterSimulateConfig, peers: number): SimulationOptions {
  const { parameters, wire, algorithm, compute } = settings;
  return {
    peers,
    workload: {
      ...{ parameters, wire, algorithm, compute },
      updateFreq: settings.update_freq,
      spread: settings.compute_spread,
      backward: settings.backward,
    },
    network: {
      bandwidth: settings.bandwidth / 8,
      latency: settings.latency,
      perMessage: settings.message_cost,
      perByte: settings.byte_cost ?? BYTE_COST[wire],
    },
    failures: {
      count: peers > 1 ? settings.failures : 0,
      perHour: settings.failures_per_hour,
      silent: settings.silent_failures,
      restart: settings.restart,
      patience: settings.peer_timeout,
    },
    ...{ updates: settings.updates, seed: settings.seed },
  };
}

const titles = (): string =>
  "| peers | update, s | efficiency | exchange hidden | sent, MB | failures survived | lost by one, s | efficiency with them |";

function row(peers: number, result: SimulationResult): string {
  const { update, compute, hidden, sent, failures, hours, lost, made } = result;
  const percent = (part: number): string => `${(100 * part).toFixed(1)} %`;
  const cells = [
    String(peers),
    update.toFixed(3),
    percent(compute / update),
    peers > 1 ? percent(hidden) : "-",
    (sent / 1e6).toFixed(1),
    failures > 0 ? `${failures} in ${hours.toFixed(2)} h` : "-",
    failures > 0 ? lost.toFixed(1) : "-",
    failures > 0 ? percent((made * compute) / (3600 * hours)) : "-",
  ];
  return `| ${cells.join(" | ")} |`;
}
