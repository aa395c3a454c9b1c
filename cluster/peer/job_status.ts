// What a peer knows of its job, for whoever asks.
import { pid } from "node:process";
import type { Membership } from "../membership/membership.ts";
import type { Member } from "../membership/view.ts";
import { addressText } from "../transport/address_text.ts";
import type { Address } from "../transport/transport.ts";
import type { Links } from "./links.ts";
import type { NodeSettings } from "./protocol.ts";
import { finite, type PeerStatus, type StatusReport } from "./status_report.ts";

/** Faults that the status tells of. */
const FAULTS_KEPT = 20;

export interface JobStatusParts {
  readonly settings: NodeSettings;
  readonly own: Address;
  readonly addresses: ReadonlyMap<number, Address>;
  /** Milliseconds, from any origin. */
  readonly now: () => number;
}

/** Where the job stands. */
export interface JobState {
  readonly self: Member;
  readonly membership: Membership;
  readonly links: Links;
  /** Updates made, or rounds of them. */
  readonly step: number;
}

export class JobStatus {
  private readonly began: number;
  private readonly faults: string[] = [];
  private progress: Readonly<Record<string, number>> = {};

  constructor(private readonly parts: JobStatusParts) {
    this.began = parts.now();
  }

  addFault(line: string): void {
    this.faults.push(`${new Date().toISOString()} ${line}`);
    if (this.faults.length > FAULTS_KEPT) this.faults.shift();
  }

  /** What training has logged last. */
  setProgress(progress: Readonly<Record<string, number>>): void {
    this.progress = progress;
  }

  /** As JSON. */
  report(state: JobState): string {
    const { membership, links, self, step } = state;
    const { generation, phase } = membership;
    const { settings, addresses, now } = this.parts;
    const { job, counts } = settings;
    const { faults } = this;
    const ranks = [...new Set([...addresses.keys(), self.rank, ...links.ranks])];
    const report: StatusReport = {
      ...{ job, rank: self.rank, pid, phase, generation, step, counts },
      uptime: (now() - this.began) / 1000,
      peers: ranks.sort((a, b) => a - b).map((rank) => this.statusOf(rank, state)),
      progress: finite(this.progress),
      faults,
    };
    return JSON.stringify(report);
  }

  private statusOf(rank: number, { membership, links, self }: JobState): PeerStatus {
    const { own, addresses, now } = this.parts;
    const isSelf = rank === self.rank;
    const { host, port } = (isSelf ? own : addresses.get(rank)) ?? self;
    const last = isSelf ? membership.standing() : membership.lastSaidBy(rank);
    const at = links.lastHeard(rank);
    return {
      rank,
      address: addressText({ host, port }),
      isMember: membership.isMember(rank),
      phase: last?.phase ?? null,
      step: last?.step ?? null,
      heard: at === undefined ? null : Math.max(0, now() - at) / 1000,
      trouble: last ? null : (links.troubleWith(rank) ?? null),
    };
  }
}
