import { expect, test } from "bun:test";
import {
  expandCounts,
  expandNodeList,
  placeTasks,
} from "../../../cluster/rendezvous/slurm_hosts.ts";

const nodes = (text: string): string => expandNodeList(text, "SLURM_JOB_NODELIST").join(" ");

test("expandNodeList() knows what Slurm writes", () => {
  expect(nodes("gnode[01-03,10,20-21],x7")).toBe(
    "gnode01 gnode02 gnode03 gnode10 gnode20 gnode21 x7",
  );
  expect(nodes("localhost")).toBe("localhost");
  expect(nodes("a-1.example.org,b_2")).toBe("a-1.example.org b_2");
  expect(nodes("n[8-11]")).toBe("n8 n9 n10 n11");
  expect(nodes("n[098-101]")).toBe("n098 n099 n100 n101");
  expect(nodes("rack[1-2]node[07,09]-ib,login")).toBe(
    "rack1node07-ib rack1node09-ib rack2node07-ib rack2node09-ib login",
  );
  expect(nodes("[1-2]a")).toBe("1a 2a");
});

test("expandNodeList() refuses the rest, naming the variable", () => {
  const wrong = ["", "a,,b", "a,", "n[1-3", "n1-3]", "n[3-1]", "n[]", "n[a-b]", "n[1-99999999]"];
  for (const text of [...wrong, "n[1[2]]", "a b", "n[1-2][1-99999]"]) {
    expect(() => nodes(text)).toThrow(
      `SLURM_JOB_NODELIST: ${JSON.stringify(text)} is not a list of nodes`,
    );
  }
});

test("expandCounts() repeats what is repeated", () => {
  expect(expandCounts("2(x3),1", "V")).toEqual([2, 2, 2, 1]);
  expect(expandCounts("4", "V")).toEqual([4]);
  expect(() => expandCounts("2(x3", "V")).toThrow('V: "2(x3" is not a list of counts');
  expect(() => expandCounts("", "V")).toThrow("is not a list of counts");
});

test("placeTasks() deals tasks out as Slurm does, by block, cyclic and by planes", () => {
  const places = (inRow: number): string =>
    placeTasks([3, 1, 1], inRow)
      .map(({ node, local }) => `${node}.${local}`)
      .join(" ");
  // As srun -n 5 -N 3 of Slurm 22.05 printed SLURM_NODEID and SLURM_LOCALID.
  expect(places(Infinity)).toBe("0.0 0.1 0.2 1.0 2.0");
  expect(places(1)).toBe("0.0 1.0 2.0 0.1 0.2");
  expect(places(2)).toBe("0.0 0.1 1.0 2.0 0.2");
});
