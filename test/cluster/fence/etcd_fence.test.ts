import { afterAll, expect, test } from "bun:test";
import { EtcdFence } from "../../../cluster/fence/etcd_fence.ts";
import { openFence } from "../../../cluster/fence/open_fence.ts";
import { startFakeEtcd } from "./fake_etcd.ts";

const etcd = await startFakeEtcd();
afterAll(() => etcd.stop());

test("an EtcdFence holds nothing, then what was swapped in", async () => {
  const fence = new EtcdFence(`${etcd.url}/weft/job-1`);
  expect(await fence.read()).toBeUndefined();
  const first = { generation: 1, view: { members: [0, 1], note: "é" } };
  expect(await fence.swap(0, first)).toBe(first);
  expect(await fence.read()).toEqual(first);
  expect(etcd.keys()).toEqual(["weft/job-1"]);
});

test("--fence etcd://host:port/key is the same key as etcd:http://host:port/key", async () => {
  const [short, long] = [etcd.url.replace("http:", "etcd:"), `etcd:${etcd.url}`].map((address) =>
    openFence(`${address}/weft/job-2`),
  );
  const first = { generation: 1, view: "a" };
  await short.swap(0, first);
  expect(await long.read()).toEqual(first);
});

test("of swaps at the same time one wins, and the others get its record", async () => {
  const fences = Array.from({ length: 8 }, () => new EtcdFence(`${etcd.url}/race`));
  for (let generation = 1; generation <= 5; generation++) {
    const swaps = fences.map((fence, index) =>
      fence.swap(generation - 1, { generation, view: index }),
    );
    const standing = await Promise.all(swaps);
    const winner = standing[0]?.view;
    expect(standing.map(({ view }) => view)).toEqual(Array(8).fill(winner));
  }
});

test("an EtcdFence says why etcd does not serve it", async () => {
  const refused = (fence: EtcdFence, word: string | RegExp) =>
    expect(fence.read()).rejects.toThrow(word);
  const place = `--fence etcd:${etcd.url}/broken`;
  etcd.answerOnce(503, "no leader");
  await refused(new EtcdFence(`${etcd.url}/broken`), `${place}: etcd does not serve us`);
  etcd.answerOnce(503, "no leader");
  await refused(new EtcdFence(`${etcd.url}/broken`), "it answers 503: no leader");
  etcd.answerOnce(200, "<html>hello</html>");
  await refused(new EtcdFence(`${etcd.url}/broken`), "its answer is not etcd's");
  etcd.answerOnce(200, JSON.stringify({ kvs: [{ value: btoa("hello"), mod_revision: "3" }] }));
  await refused(new EtcdFence(`${etcd.url}/broken`), '"hello" is not a record of a fence');
  etcd.answerOnce(200, "x".repeat(3 * 2 ** 20));
  await refused(new EtcdFence(`${etcd.url}/broken`), "longer than 2097152 bytes");
  await refused(new EtcdFence("http://127.0.0.1:1/key"), "let this machine reach its client port");
});
