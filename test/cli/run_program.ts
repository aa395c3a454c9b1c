import { spawn } from "node:child_process";
import { join } from "node:path";
import process from "node:process";

export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The arguments with which this runtime runs a TypeScript file. */
const runFile = "deno" in process.versions ? ["run", "-A"] : [];

/** Runs a fixture as a process of its own, under the runtime that runs the test. */
export function runFixture(name: string, args: readonly string[]): Promise<Outcome> {
  const file = join(import.meta.dirname, "fixtures", name);
  return run(process.execPath, [...runFile, file, ...args]);
}

/** Runs a shell command; $PROGRAM in it runs the fixture. */
export function runShell(command: string): Promise<Outcome> {
  const file = join(import.meta.dirname, "fixtures/program.ts");
  const program = [process.execPath, ...runFile, file].join(" ");
  return run("/bin/sh", ["-c", command.replaceAll("$PROGRAM", program)]);
}

/** Runs an executable to its end. */
export function run(executable: string, args: readonly string[], cwd?: string): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(executable, args, { cwd, stdio: ["ignore", "pipe", "pipe"] });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, stdout, stderr }));
  });
}
