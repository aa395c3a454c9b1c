import { expect, test } from "bun:test";
import { EtcdFence } from "../../../cluster/fence/etcd_fence.ts";
import { FileFence } from "../../../cluster/fence/file_fence.ts";
import { openFence } from "../../../cluster/fence/open_fence.ts";

test("openFence() knows files and etcd", () => {
  expect(openFence("file:/shared/fence")).toBeInstanceOf(FileFence);
  expect(openFence("file:///shared/a%20fence")).toBeInstanceOf(FileFence);
  expect(openFence("etcd://host:2379/weft/job")).toBeInstanceOf(EtcdFence);
  expect(openFence("etcd:http://[::1]:2379/weft/job%201")).toBeInstanceOf(EtcdFence);
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
