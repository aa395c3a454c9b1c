// All-reduce between processes: on loopback beside PyTorch's gloo, and on links of 1 Gbit/s, which network
// namespaces make (root, ip and tc; skipped with a reason otherwise). Prints tables in Markdown.
//
//   bun bench/allreduce.ts [loopback] [links] [MIB...]      PYTHON=/path/to/python with torch, SOCKETS=libc, PEERS=2,4
import { spawn } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { addressOf, buildLab, onHost, removeLab } from "./support/network_lab.ts";
import { median } from "./support/statistics.ts";

interface Result {
  /** Milliseconds of one all-reduce. */
  readonly median: number;
  readonly best: number;
  /** CPU-seconds for a gigabyte sent or received. */
  readonly cpuPerGb: number;
}

const MIB = 2 ** 20;
const PAIRS = 3;
const here = import.meta.dirname;
const python = process.env.PYTHON ?? "python3";
/** As of weft train --sockets. */
const sockets = process.env.SOCKETS ?? "auto";
/** Numbers of peers, if not all are wanted. */
const only = process.env.PEERS?.split(",").map(Number);
const counts = (all: readonly number[]): readonly number[] => only ?? all;

function output(command: readonly string[]): Promise<string> {
  const [program, ...args] = command;
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  child.stdout.on("data", (chunk) => {
    text += chunk;
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) =>
      code === 0 ? resolve(text) : reject(new Error(`${command.join(" ")}: exit ${code}`)),
    );
  });
}

/** Runs all ranks at once. @returns the first one's figures. */
async function together(commands: readonly (readonly string[])[]): Promise<Result> {
  const [first] = await Promise.all(commands.map(output));
  return JSON.parse(first.trim().split("\n").at(-1) ?? "") as Result;
}

let port = 29_700;

function weft(peers: number, bytes: number, wire: string, count: number, lab: boolean) {
  port += peers;
  const addresses = Array.from({ length: peers }, (_, rank) =>
    lab ? `${addressOf(rank)}:29400` : `127.0.0.1:${port + rank}`,
  );
  const peer = join(here, "support/allreduce_peer.ts");
  const commands = addresses.map((_, rank) => [
    ...(lab ? onHost(rank) : []),
    ...[process.execPath, peer, String(rank), addresses.join(), String(bytes), wire, String(count)],
    lab ? "libc" : sockets, // the links are to be measured, not the memory behind them
  ]);
  return together(commands);
}

function gloo(peers: number, bytes: number, count: number): Promise<Result> {
  port += 1;
  const script = join(here, "support/gloo_allreduce.py");
  const numbers = (rank: number) => [rank, peers, port, bytes, count].map(String);
  return together(Array.from({ length: peers }, (_, rank) => [python, script, ...numbers(rank)]));
}

/** Sizes on loopback. */
const numbers = process.argv.slice(2).map(Number).filter(Number.isFinite);
const sizes = (numbers.length > 0 ? numbers : [1 / 16, 1, 16, 64]).map((size) => size * MIB);

const ms = (value: number): string => value.toFixed(2);

async function loopback(): Promise<void> {
  console.log(
    "| peers | bytes | weft f32, ms (best) | CPU-s/GB | gloo, ms (best) | CPU-s/GB | gloo / weft |",
  );
  console.log("|--:|--:|--:|--:|--:|--:|--:|");
  for (const peers of counts([2, 4])) {
    for (const bytes of sizes) {
      const count = Math.max(8, Math.min(300, Math.round((200 * MIB) / bytes / peers)));
      const ours: Result[] = [];
      const theirs: Result[] = [];
      for (let pair = 0; pair < PAIRS; pair++) {
        ours.push(await weft(peers, bytes, "f32", count, false));
        theirs.push(await gloo(peers, bytes, count));
      }
      const [own, other] = [ours, theirs].map((results) => ({
        median: median(results.map((result) => result.median)),
        best: Math.min(...results.map((result) => result.best)),
        cpu: median(results.map((result) => result.cpuPerGb)),
      }));
      console.log(
        `| ${peers} | ${bytes / MIB} MiB | ${ms(own.median)} (${ms(own.best)}) | ${ms(own.cpu)} | ` +
          `${ms(other.median)} (${ms(other.best)}) | ${ms(other.cpu)} | ${ms(other.median / own.median)} |`,
      );
    }
  }
}

/** Payload that 1 Gbit/s carries in frames of 1,514 bytes: bytes per millisecond. */
const LINE_RATE = ((1e9 / 8) * (1448 / 1514)) / 1000;

async function links(): Promise<void> {
  console.log("| peers | wire | ms (best) | ideal ms | share of line rate (best) | CPU-s/GB |");
  console.log("|--:|--|--:|--:|--:|--:|");
  for (const peers of counts([2, 4, 8])) {
    buildLab(peers, "1gbit");
    try {
      for (const wire of ["f32", "bf16"]) {
        const bytes = 16 * MIB;
        const result = await weft(peers, bytes, wire, 12, true);
        const onWire = ((2 * (peers - 1)) / peers) * bytes * (wire === "f32" ? 1 : 0.5);
        const ideal = onWire / LINE_RATE;
        const share = (time: number): string => `${((100 * ideal) / time).toFixed(1)} %`;
        console.log(
          `| ${peers} | ${wire} | ${ms(result.median)} (${ms(result.best)}) | ${ms(ideal)} | ` +
            `${share(result.median)} (${share(result.best)}) | ${ms(result.cpuPerGb)} |`,
        );
      }
    } finally {
      removeLab();
    }
  }
}

const wanted = process.argv.slice(2).filter((word) => Number.isNaN(Number(word)));
const all = wanted.length === 0;
if (all || wanted.includes("loopback")) await loopback();
if (all || wanted.includes("links")) {
  if (process.getuid?.() === 0) await links();
  else console.log("skipped: links of 1 Gbit/s, which only root can make");
}
