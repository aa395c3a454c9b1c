import { expect, test } from "bun:test";
import { resolveWorld } from "../../../cluster/rendezvous/resolve_world.ts";
import type { World } from "../../../cluster/rendezvous/world.ts";
import { addressText } from "../../../cluster/transport/address_text.ts";

type Variables = Readonly<Record<string, string>>;

const addressesOf = (world: World | undefined): string =>
  world?.meeting.kind === "static" ? world.meeting.addresses.map(addressText).join(" ") : "";

const pod: Variables = {
  JOB_COMPLETION_INDEX: "1",
  WEFT_JOB: "train",
  WEFT_SERVICE: "peers",
  WEFT_WORLD_SIZE: "3",
};

test("a pod of an Indexed Job knows its peers by their names behind the Service", () => {
  const world = resolveWorld(pod, {});
  expect(world).toMatchObject({
    source: "a Kubernetes Indexed Job",
    rank: 1,
    size: 3,
    localRank: 0,
    job: "train",
    port: 29400,
  });
  expect(addressesOf(world)).toBe("train-0.peers:29400 train-1.peers:29400 train-2.peers:29400");
  expect(addressesOf(resolveWorld(pod, { port: 5000 }))).toStartWith("train-0.peers:5000 ");
});

test("pods of a JobSet are ranked Job after Job", () => {
  const jobSet = { ...pod, WEFT_JOB: "run-peers-1", WEFT_SERVICE: "run", WEFT_WORLD_SIZE: "4" };
  const world = resolveWorld({ ...jobSet, WEFT_JOB_INDEX: "1", WEFT_PODS_PER_JOB: "2" }, {});
  expect(world).toMatchObject({
    source: "a Kubernetes JobSet",
    rank: 3,
    size: 4,
    job: "run-peers",
  });
  expect(addressesOf(world)).toBe(
    "run-peers-0-0.run:29400 run-peers-0-1.run:29400 run-peers-1-0.run:29400 run-peers-1-1.run:29400",
  );
});

test("an Indexed Job that does not speak of peers is a set of separate runs", () => {
  expect(resolveWorld({ JOB_COMPLETION_INDEX: "1" }, {})).toBeUndefined();
});

test("a manifest that passes half of it is refused by the name of the rest", () => {
  const refused = (changes: Readonly<Record<string, string | undefined>>, ...words: string[]) => {
    for (const word of words) expect(() => resolveWorld({ ...pod, ...changes }, {})).toThrow(word);
  };
  refused({ JOB_COMPLETION_INDEX: undefined }, "JOB_COMPLETION_INDEX: is not set", "Indexed");
  refused({ WEFT_JOB: undefined }, "WEFT_JOB: is not set, but WEFT_WORLD_SIZE is");
  refused({ WEFT_SERVICE: "" }, "WEFT_SERVICE: is not set", "recipes/cluster/kubernetes.yaml");
  refused({ WEFT_WORLD_SIZE: undefined }, "WEFT_WORLD_SIZE: is not set, but WEFT_JOB is");
  refused({ WEFT_WORLD_SIZE: "three" }, 'WEFT_WORLD_SIZE: "three" is not a whole number');
  refused({ JOB_COMPLETION_INDEX: "3" }, "JOB_COMPLETION_INDEX=3: is not below WEFT_WORLD_SIZE=3");
  refused({ WEFT_JOB_INDEX: "0" }, "WEFT_PODS_PER_JOB: is not set");
  refused({ WEFT_PODS_PER_JOB: "2" }, "WEFT_JOB_INDEX: is not set");
  const jobSet = { WEFT_JOB: "run-0", WEFT_JOB_INDEX: "0", WEFT_PODS_PER_JOB: "1" };
  refused(jobSet, "is not below WEFT_PODS_PER_JOB=1");
  refused({ ...jobSet, WEFT_JOB_INDEX: "2" }, "WEFT_JOB=run-0: does not end with WEFT_JOB_INDEX=2");
});
