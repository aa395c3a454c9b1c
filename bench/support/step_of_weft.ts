// weft's training step as a process of its own, for bench/javascript_peers.ts: JOB BLAS.
import process from "node:process";
import { openCpuDevice } from "../../src/device/cpu/cpu_device.ts";
import { readJob, reportSteps } from "./javascript_job.ts";
import { weftStep } from "./peer_step.ts";

const [folder, blas] = process.argv.slice(2);
const job = readJob(folder);
const device = await openCpuDevice(blas === "none" ? { blas } : {});
console.error(device.description);
const { update } = weftStep(device, job);
await reportSteps(job.steps, update);
process.exit(0);
