// Whole peers of a cluster within one process, on one MemoryWire, but for their main threads.
import { openArithmetic } from "../../../cluster/collective/codec.ts";
import type { View } from "../../../cluster/membership/view.ts";
import { ClusterNode } from "../../../cluster/peer/node.ts";
import type { Event, NodeSettings } from "../../../cluster/peer/protocol.ts";
import { MemoryWire } from "./memory_wire.ts";

/** Numbers of each peer: gradients, and scratch memory behind them; parameters, if a test has some. */
export const ELEMENTS = 4096;
const PARAMETERS = { address: 589_824, elements: 64 };

export interface NodePeer {
  readonly node: ClusterNode;
  readonly rank: number;
  /** What the main thread has heard. */
  readonly told: Event[];
  /** Why the process would have been ended. */
  readonly hung: readonly string[];
  readonly gradients: Float32Array;
  readonly parameters: Float32Array;
  /** Events of a kind. */
  of<K extends Event["kind"]>(kind: K): Extract<Event, { kind: K }>[];
  readonly view: View | undefined;
}

export class NodePeers {
  readonly wire = new MemoryWire();
  readonly all: NodePeer[] = [];
  now = 0;

  /** @param hasParameters whether peers tell each other a hash of some. */
  constructor(private readonly hasParameters = false) {}

  /** @param microBatches of an update, if each is a contribution of its own. */
  async add(
    rank: number,
    settings: Partial<NodeSettings> = {},
    microBatches = 0,
  ): Promise<NodePeer> {
    const memory = new WebAssembly.Memory({ initial: 16, maximum: 16, shared: true });
    const told: Event[] = [];
    const hung: string[] = [];
    const gradients = { address: 65536, elements: ELEMENTS };
    const scratch = { address: 262_144, bytes: 262_144 };
    const node = new ClusterNode({
      settings: {
        ...{ rank, size: 2, incarnation: rank + 1, job: "j", joining: false, agreement: {} },
        ...{
          wire: "f32",
          patience: 1000,
          hangsAfter: 3_600_000,
          counts: "update",
          fence: undefined,
        },
        ...settings,
      },
      numbers: {
        ...{ memory, gradients: [gradients], microBatches, scratch },
        state: this.hasParameters ? [PARAMETERS] : [],
        parameterBlocks: this.hasParameters ? 1 : 0,
      },
      arithmetic: await openArithmetic(memory),
      transport: this.wire.transport,
      own: { host: "h", port: rank + 1 },
      addresses: new Map([0, 1].map((each) => [each, { host: "h", port: each + 1 }])),
      ...{ fence: undefined, step: 0, now: () => this.now, tell: (event) => told.push(event) },
      hangs: (reason) => hung.push(reason),
    });
    this.wire.listen(rank + 1, node.accept);
    const of = <K extends Event["kind"]>(kind: K) =>
      told.filter((event): event is Extract<Event, { kind: K }> => event.kind === kind);
    const peer = {
      ...{ node, rank, told, hung, of },
      gradients: new Float32Array(memory.buffer, gradients.address, ELEMENTS),
      parameters: new Float32Array(memory.buffer, PARAMETERS.address, PARAMETERS.elements),
      get view() {
        return of("view").at(-1)?.view;
      },
    };
    this.all.push(peer);
    return peer;
  }

  /** Time passes, and what is sent arrives. */
  async pass(milliseconds: number): Promise<void> {
    for (const end = this.now + milliseconds; this.now < end; this.now += 100) {
      for (const { node } of this.all) node.tick();
      for (let turn = 0; turn < 4; turn++) await this.wire.deliver();
    }
  }

  /** Two that have formed a cluster. */
  static async two(
    settings: Partial<NodeSettings> = {},
    microBatches = 0,
    hasParameters = false,
  ): Promise<{ peers: NodePeers; low: NodePeer; high: NodePeer }> {
    const peers = new NodePeers(hasParameters);
    const [low, high] = [
      await peers.add(0, settings, microBatches),
      await peers.add(1, settings, microBatches),
    ];
    await peers.pass(1000);
    for (const { node, view } of peers.all) {
      node.request({ kind: "installed", generation: view?.generation ?? 0 });
    }
    await peers.pass(200);
    return { peers, low, high };
  }
}
