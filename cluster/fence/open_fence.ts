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
