import { expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EtcdFence } from "../../../cluster/fence/etcd_fence.ts";
import { FileFence } from "../../../cluster/fence/file_fence.ts";
import { openFence, tryFence } from "../../../cluster/fence/open_fence.ts";
import { TemporaryFailure } from "../../../src/config/temporary_failure.ts";
import { UserError } from "../../../src/config/user_error.ts";

test("openFence() knows files and etcd", () => {
  expect(openFence("file:/shared/fence")).toBeInstanceOf(FileFence);
  expect(openFence("file:///shared/a%20fence")).toBeInstanceOf(FileFence);
  expect(openFence("etcd://host:2379/weft/job")).toBeInstanceOf(EtcdFence);
  expect(openFence("etcd:http://[::1]:2379/weft/job%201")).toBeInstanceOf(EtcdFence);
});

test("tryFence() makes a folder, leaves nothing there, and names one that cannot be used", async () => {
  const top = mkdtempSync(join(tmpdir(), "weft-fence-"));
  try {
    await tryFence(`file:${top}/shared/fence`);
    expect(readdirSync(join(top, "shared/fence"))).toEqual([]);
    writeFileSync(join(top, "file"), "");
    const failure = await tryFence(`file:${top}/file`).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(UserError);
    expect(failure).not.toBeInstanceOf(TemporaryFailure);
    expect(`${failure}`).toContain("there is a file where a folder should be");
    const missing = "/proc/no/such/folder";
    await expect(tryFence(`file:${missing}`)).rejects.toThrow(`--fence file:${missing}: `);
    writeFileSync(join(top, "shared/fence/000000000001.json"), "hello");
    await expect(tryFence(`file:${top}/shared/fence`)).rejects.toThrow(
      "is not a record of a fence",
    );
  } finally {
    rmSync(top, { recursive: true });
  }
});

test("tryFence() tells an etcd that does not answer now from a register that never will", async () => {
  const failure = await tryFence("etcd://127.0.0.1:1/key").catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(TemporaryFailure);
  expect(`${failure}`).toContain("let this machine reach its client port");
});

test("openFence() refuses what it cannot use, naming it", () => {
  const refused = (spec: string, ...words: string[]): void => {
    for (const word of [`--fence ${spec}`, ...words]) {
      expect(() => openFence(spec)).toThrow(word);
    }
  };
  refused("zookeeper:a", "only file: and etcd: are known");
  refused("/shared/fence", "write file:/shared/folder");
  refused("file:fence", "is not an absolute path");
  refused("file://shared/fence", "three slashes");
  refused("file:/", "is not an absolute path");
  refused("etcd:host:2379/key", "write etcd://host:2379/key");
  refused("etcd://host:2379", "etcd with a key");
  refused("etcd:http://host:2379", "etcd with a key");
  refused("etcd:http://me:word@host:2379/key", "not supported");
});
