// Thousands of updates on batches of ever other shapes: whether memory stays flat, whether plans stay bounded,
// and whether a run that makes every plan anew computes the same bits.
//
//   bun bench/soak.ts [--updates 3000] [--device cpu|webgpu:software] [--threads 2] [--rows 16] [--width 40]
//     [--collect]
//
// --collect makes Bun collect garbage every 200 updates: what still grows then is lost memory.
// Two processes, one after the other: one keeps plans as training does, one gives all of them back after every
// update. Resident memory is the mean over a tenth of the updates, read after each one.
import { spawnSync } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { device as deviceSchema } from "../src/config/schemas/device.ts";
import { openDevice } from "../src/device/open_device.ts";
import { countPrograms, toyBatch, toyTrainer } from "../test/support/toy_training.ts";

const { values } = parseArgs({
  options: {
    updates: { type: "string", default: "3000" },
    device: { type: "string", default: "cpu" },
    threads: { type: "string", default: "2" },
    rows: { type: "string", default: "16" },
    width: { type: "string", default: "40" },
    collect: { type: "boolean", default: false },
    plans: { type: "string" },
  },
});
const updates = Number(values.updates);

interface Soak {
  /** Of every update, as bits that can be compared. */
  readonly losses: readonly number[];
  /** MiB, after every update. */
  readonly resident: readonly number[];
  /** Programs alive, after every update. */
  readonly programs: readonly number[];
  readonly seconds: number;
}

/** What a process of the two does. */
async function soak(keepsPlans: boolean): Promise<Soak> {
  const wish = deviceSchema.parse({ device: values.device, threads: Number(values.threads) });
  const { device, alive } = countPrograms(await openDevice(wish, (line) => console.error(line)));
  const trainer = toyTrainer(device);
  const losses: number[] = [];
  const resident: number[] = [];
  const programs: number[] = [];
  const begun = performance.now();
  for (let update = 0; update < updates; update++) {
    const batch = toyBatch(update, Number(values.rows), Number(values.width));
    const { sums } = await trainer.update(batch, 1);
    losses.push(sums.losses.loss);
    resident.push(process.memoryUsage.rss() / 2 ** 20);
    programs.push(alive());
    if (!keepsPlans) trainer.release();
    if (values.collect && update % 200 === 199) Bun.gc(true);
  }
  return { losses, resident, programs, seconds: (performance.now() - begun) / 1000 };
}

if (values.plans !== undefined) {
  process.stdout.write(JSON.stringify(await soak(values.plans === "kept")));
  process.exit(0);
}

function inProcess(plans: "kept" | "dropped"): Soak {
  const self = fileURLToPath(import.meta.url);
  const runtime = "Deno" in globalThis ? ["run", "-A"] : [];
  const { stdout, status } = spawnSync(
    process.execPath,
    [...runtime, self, ...process.argv.slice(2), "--plans", plans],
    { encoding: "utf8", maxBuffer: 2 ** 28, stdio: ["ignore", "pipe", "inherit"] },
  );
  if (status !== 0) throw new Error(`the run with plans ${plans} failed`);
  return JSON.parse(stdout);
}

const mean = (all: readonly number[]): number => all.reduce((a, b) => a + b, 0) / all.length;

console.log("| plans | updates/s | programs at most | resident MiB, by tenths of the run |");
console.log("|---|--:|--:|---|");
const runs = (["kept", "dropped"] as const).map((plans) => {
  const run = inProcess(plans);
  const tenths = Array.from({ length: 10 }, (_, tenth) =>
    mean(run.resident.slice((tenth * updates) / 10, ((tenth + 1) * updates) / 10)),
  );
  const memory = tenths.map((mebibytes) => mebibytes.toFixed(0)).join(" ");
  const rate = (updates / run.seconds).toFixed(0);
  console.log(`| ${plans} | ${rate} | ${Math.max(...run.programs)} | ${memory} |`);
  return { ...run, tenths };
});
const [kept, dropped] = runs;
const differing = kept.losses.findIndex((loss, i) => !Object.is(loss, dropped.losses[i]));
console.log(
  differing < 0
    ? `\nThe losses of all ${updates} updates are equal bit by bit.`
    : `\nThe losses differ from update ${differing + 1} on.`,
);
for (const { tenths } of runs) {
  const warm = tenths.slice(4);
  const spread = Math.max(...warm.map((value) => Math.abs(value / mean(warm) - 1)));
  console.log(`Memory after warm-up (the last six tenths): ± ${(100 * spread).toFixed(1)} %.`);
}
process.exit(differing < 0 ? 0 : 1);
