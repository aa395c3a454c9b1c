import { expect, test } from "bun:test";
import { resolveWorld } from "../../../cluster/rendezvous/resolve_world.ts";
import { environmentOf } from "../../../cluster/rendezvous/weft_launch.ts";
import type { WorldFlags } from "../../../cluster/rendezvous/world.ts";
import { addressText } from "../../../cluster/transport/address_text.ts";

type Variables = Readonly<Record<string, string>>;

/** "rank/size local job port meeting" of a world, in one line. */
function told(env: Variables, flags: WorldFlags = {}): string {
  const world = resolveWorld(env, flags);
  if (!world) return "alone";
  const { meeting } = world;
  const where =
    meeting.kind === "static"
      ? meeting.addresses.map(addressText).join(" ")
      : meeting.kind === "tcp"
        ? `tcp ${addressText(meeting.address)}`
        : `file ${meeting.folder}`;
  const { rank = "?", size, localRank = "?", job, port } = world;
  return `${rank}/${size} local ${localRank} job ${job} port ${port}: ${where}`;
}

const refused = (env: Variables, flags: WorldFlags, ...words: string[]): void => {
  for (const word of words) expect(() => resolveWorld(env, flags)).toThrow(word);
};

test("a process without flags and variables trains alone", () => {
  expect(told({})).toBe("alone");
  expect(told({ RANK: "", WORLD_SIZE: "" })).toBe("alone");
  expect(told({ MASTER_ADDR: "node1" }, { port: 5000, job: "a" })).toBe("alone");
});

test("--peers lists all addresses, --rank says which is ours", () => {
  const peers = "node1:29400,node2,[::1]:7,node2:29401";
  const addresses = "node1:29400 node2:29400 [::1]:7 node2:29401";
  expect(told({}, { peers, rank: 1 })).toBe(`1/4 local 0 job weft port 29400: ${addresses}`);
  expect(told({}, { peers, rank: 3, world_size: 4, job: "night" })).toBe(
    `3/4 local 1 job night port 29401: ${addresses}`,
  );
  expect(told({}, { peers: "a,b", rank: 0, port: 5000 })).toBe(
    "0/2 local 0 job weft port 5000: a:5000 b:5000",
  );
  expect(told({}, { peers: "a", rank: 0, world_size: 1 })).toBe(
    "0/1 local 0 job weft port 29400: a:29400",
  );
  expect(told({ RANK: "1", WORLD_SIZE: "2" }, { peers: "a,b" })).toContain("1/2");
});

test("who joins has a rank beyond the list, and any port that is free", () => {
  const flags = { peers: "node1,node2:29401", join: true };
  const where = "node1:29400 node2:29401";
  expect(told({}, { ...flags, rank: 5 })).toBe(`5/2 local ? job weft port 0: ${where}`);
  expect(told({}, { ...flags, rank: 2, port: 4000 })).toBe(
    "2/2 local ? job weft port 4000: node1:4000 node2:29401",
  );
  // One that was in the list before has its place there again.
  expect(told({}, { ...flags, rank: 1 })).toBe(`1/2 local 0 job weft port 29401: ${where}`);
  refused({}, { ...flags, rank: 2, join: false }, "--rank 2: --peers has 2", "or add --join");
  refused({}, { ...flags }, "add --rank", "with --join, a number that no peer has");
});

test("--rendezvous needs a size, and gives ranks out where nothing says them", () => {
  const rendezvous = "tcp://node1:29400";
  expect(told({}, { rendezvous, world_size: 3 })).toBe(
    "?/3 local ? job weft port 0: tcp node1:29400",
  );
  expect(told({}, { rendezvous, world_size: 3, rank: 2, port: 29400 })).toBe(
    "2/3 local ? job weft port 29401: tcp node1:29400",
  );
  expect(told({}, { rendezvous: "file:///shared/my%20job", world_size: 1, rank: 0 })).toBe(
    "0/1 local ? job weft port 0: file /shared/my job",
  );
  expect(told({}, { rendezvous: "tcp://[::1]:5", world_size: 2 })).toContain("tcp [::1]:5");
});

test("flags that say half of it, or contradict each other, are refused by name", () => {
  refused({}, { rank: 1 }, "--rank 1: speaks of peers", "add --peers or --rendezvous");
  refused({}, { world_size: 4 }, "--world-size 4: speaks of peers");
  refused({}, { join: true }, "--join: speaks of peers", "add --peers");
  refused({}, { peers: "a,b" }, "--peers: does not say which", "add --rank");
  refused({}, { peers: "a,b", rank: 2 }, "--rank 2: --peers has 2 addresses");
  refused({}, { peers: "a,b", rank: 0, world_size: 3 }, "--world-size 3: contradicts --peers");
  const at = { peers: "a:1,b:2", rank: 1 };
  refused({}, { ...at, port: 3 }, "--port 3: contradicts --peers, where this peer is at b:2");
  expect(told({}, { ...at, port: 1 })).toContain("1/2 local 0 job weft port 2");
  refused({}, { peers: "a,a", rank: 0 }, "--peers a,a: a:29400 stands there twice");
  refused({}, { peers: "a,::1", rank: 0 }, '--peers a,::1: "::1" is not', "[::1]:29400");
  refused({}, { peers: "a", rendezvous: "tcp://a:1" }, "--peers: contradicts --rendezvous");
  const world_size = 2;
  refused({}, { rendezvous: "tcp://a:1" }, "add --world-size");
  refused({}, { rendezvous: "tcp://a", world_size }, '--rendezvous tcp://a: "a" is not');
  refused({}, { rendezvous: "http://a:1", world_size }, "only tcp: and file: are known");
  refused({}, { rendezvous: "file://shared/x", world_size }, "three slashes");
  refused({}, { rendezvous: "tcp://0.0.0.0:1", world_size }, "nobody can be called at 0.0.0.0");
  refused({}, { rendezvous: "tcp://a:1", world_size, rank: 2 }, "--rank 2: with 2 peers");
});

test("torchrun's variables make a world that meets at MASTER_ADDR", () => {
  const env = { RANK: "3", WORLD_SIZE: "4", LOCAL_RANK: "1", MASTER_ADDR: "n1", MASTER_PORT: "5" };
  expect(told(env)).toBe("3/4 local 1 job n1:5 port 0: tcp n1:5");
  expect(told({ ...env, TORCHELASTIC_RUN_ID: "night" }, { port: 7000 })).toBe(
    "3/4 local 1 job night port 7001: tcp n1:5",
  );
  expect(told({ ...env, TORCHELASTIC_RUN_ID: "none" })).toContain("job n1:5");
  expect(told({ ...env, MASTER_ADDR: "fd00::1" })).toContain("tcp [fd00::1]:5");
  // Kubeflow's PyTorchJob: one process in a pod, without LOCAL_RANK.
  const { LOCAL_RANK: _, ...kubeflow } = env;
  expect(told(kubeflow)).toContain("3/4 local ? ");
});

test("where torchrun's agent holds MASTER_PORT, the peers meet at --port", () => {
  const agent = { TORCHELASTIC_USE_AGENT_STORE: "True", TORCHELASTIC_RUN_ID: "a" };
  const env = { RANK: "0", WORLD_SIZE: "2", LOCAL_RANK: "0", MASTER_ADDR: "n1", ...agent };
  expect(told({ ...env, MASTER_PORT: "29500" })).toBe("0/2 local 0 job a port 0: tcp n1:29400");
  expect(told({ ...env, MASTER_PORT: "29500" }, { port: 6000 })).toBe(
    "0/2 local 0 job a port 6001: tcp n1:6000",
  );
});

test("RANK and WORLD_SIZE that are half set, wrong or contradicted are refused by name", () => {
  refused({ RANK: "1" }, {}, "RANK=1: WORLD_SIZE is not set", "set both or neither");
  refused({ WORLD_SIZE: "2" }, {}, "WORLD_SIZE=2: RANK is not set");
  expect(told({ WORLD_SIZE: "1" })).toBe("alone");
  refused({ RANK: "one", WORLD_SIZE: "2" }, {}, 'RANK: "one" is not a whole number');
  refused({ RANK: "-1", WORLD_SIZE: "2" }, {}, 'RANK: "-1" is not a whole number');
  refused({ RANK: "2", WORLD_SIZE: "2" }, {}, "RANK=2: with WORLD_SIZE=2 ranks go from 0 to 1");
  refused({ RANK: "0", WORLD_SIZE: "2" }, {}, "set MASTER_ADDR and MASTER_PORT");
  expect(told({ RANK: "0", WORLD_SIZE: "1" })).toContain("0/1");
  const env = { RANK: "0", WORLD_SIZE: "2", MASTER_ADDR: "a", MASTER_PORT: "99999" };
  refused(env, {}, 'MASTER_ADDR: "a:99999" is not an address');
});

test("mpirun on one machine needs no addresses; on several, MASTER_ADDR or --rendezvous", () => {
  const env = {
    OMPI_COMM_WORLD_RANK: "1",
    OMPI_COMM_WORLD_SIZE: "2",
    OMPI_COMM_WORLD_LOCAL_RANK: "1",
    PMIX_NAMESPACE: "1234.1",
  };
  const together = { ...env, OMPI_COMM_WORLD_LOCAL_SIZE: "2" };
  expect(told(together)).toBe("1/2 local 1 job 1234.1 port 29401: 127.0.0.1:29400 127.0.0.1:29401");
  expect(told(together, { port: 5000 })).toContain("127.0.0.1:5000 127.0.0.1:5001");
  const apart = { ...env, OMPI_COMM_WORLD_LOCAL_SIZE: "1" };
  refused(apart, {}, "OMPI_COMM_WORLD_RANK=1: mpirun started 2", "-x MASTER_ADDR");
  expect(told({ ...apart, MASTER_ADDR: "n1" })).toContain("port 0: tcp n1:29400");
  expect(told(apart, { rendezvous: "file:///shared" })).toBe(
    "1/2 local 1 job 1234.1 port 0: file /shared",
  );
  refused({ OMPI_COMM_WORLD_RANK: "1" }, {}, "OMPI_COMM_WORLD_SIZE is not set");
});

test("the innermost launcher counts", () => {
  const slurm = { SLURM_STEP_ID: "0", SLURM_PROCID: "0", SLURM_NTASKS: "2" };
  const torchrun = { RANK: "5", WORLD_SIZE: "8", MASTER_ADDR: "n1", MASTER_PORT: "1" };
  const mpirun = { OMPI_COMM_WORLD_RANK: "1", OMPI_COMM_WORLD_SIZE: "2", MASTER_ADDR: "n1" };
  expect(told({ ...slurm, ...torchrun })).toContain("5/8");
  expect(told({ ...slurm, ...mpirun })).toContain("1/2");
  expect(told({ ...mpirun, ...torchrun })).toContain("5/8");
});

test("flags win over the environment", () => {
  const env = { RANK: "1", WORLD_SIZE: "2", MASTER_ADDR: "n1", MASTER_PORT: "1" };
  expect(told(env, { world_size: 1 })).toBe("alone");
  expect(told(env, { rank: 0 })).toContain("0/2");
  expect(told(env, { job: "mine" })).toContain("job mine");
  expect(told(env, { rendezvous: "tcp://n2:5" })).toContain(
    "1/2 local ? job n1:1 port 0: tcp n2:5",
  );
  // Two launches of two processes each, in one world: the launcher's ranks are not the world's.
  expect(told(env, { rendezvous: "tcp://n2:5", world_size: 4 })).toContain("?/4");
  refused(env, { world_size: 4 }, "--world-size 4: contradicts WORLD_SIZE=2", "--rendezvous");
  refused(env, { rank: 2 }, "--rank 2: with WORLD_SIZE=2");
  refused(env, { peers: "a,b,c" }, "WORLD_SIZE=2: contradicts --peers", "add --rank");
  // All is said: variables that make no sense do not matter.
  const broken = { RANK: "x", WORLD_SIZE: "y" };
  expect(told(broken, { peers: "a,b", rank: 1 })).toContain("1/2");
  expect(told(broken, { rendezvous: "tcp://a:1", rank: 1, world_size: 2 })).toContain("1/2");
});

test("weft launch tells its processes all addresses, and a register", () => {
  const addresses = [20001, 20002].map((port) => ({ host: "127.0.0.1", port }));
  const env = environmentOf(1, addresses, "file:///tmp/fence");
  expect(told(env)).toBe(
    "1/2 local 1 job 127.0.0.1:20001 port 20002: 127.0.0.1:20001 127.0.0.1:20002",
  );
  expect(resolveWorld(env, {})?.fence).toBe("file:///tmp/fence");
  // It is the innermost launcher; flags win over it.
  const slurm = { SLURM_STEP_ID: "0", SLURM_PROCID: "5", SLURM_NTASKS: "9", MASTER_ADDR: "node1" };
  expect(told({ ...slurm, ...env })).toBe(told(env));
  expect(told(env, { world_size: 1, rank: 0 })).toBe("alone");
  expect(told(env, { rendezvous: "tcp://node1:5", world_size: 4 })).toContain("?/4 local 1");
  refused(env, { rank: 0 }, "--rank 0", "weft launch gives every process a rank of its own");
  refused(env, { port: 7 }, "--port 7", "weft launch has given every process a port");
  refused(env, { world_size: 3 }, "contradicts weft launch -n 2");
  refused({ WEFT_PEERS: "127.0.0.1:1" }, {}, "RANK is not set");
});
