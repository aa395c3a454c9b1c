import { TemporaryFailure } from "../../src/config/temporary_failure.ts";
import { UserError } from "../../src/config/user_error.ts";
import { filePathOf } from "../rendezvous/file_path.ts";
import { EtcdFence } from "./etcd_fence.ts";
import type { Fence } from "./fence.ts";
import { FileFence } from "./file_fence.ts";

/**
 * The register that --fence names: file:/shared/folder, etcd://host:2379/key, or etcd:https://… of one
 * that speaks TLS.
 *
 * @throws UserError on anything else. Nothing is read or written yet.
 */
export function openFence(spec: string): Fence {
  const place = `--fence ${spec}`;
  if (/^file:/.test(spec)) return new FileFence(filePathOf(spec, place), place);
  if (/^etcd:\/\//.test(spec)) return new EtcdFence(spec.replace("etcd:", "http:"), place);
  if (/^etcd:/.test(spec)) return new EtcdFence(spec.slice("etcd:".length), place);
  throw new UserError({
    place,
    problem: "only file: and etcd: are known",
    remedy: "write file:/shared/folder, or etcd://host:2379/key",
  });
}

/**
 * Finds out at the start whether the register that --fence names can be used, not when peers have died.
 *
 * @throws UserError if it cannot. @throws TemporaryFailure if its server does not answer: it may later.
 */
export async function tryFence(spec: string): Promise<void> {
  const fence = openFence(spec);
  try {
    await fence.prepare();
  } catch (error) {
    const isServers = fence instanceof EtcdFence && error instanceof UserError;
    throw isServers ? new TemporaryFailure(error.detail) : error;
  }
}
