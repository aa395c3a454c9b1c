// A meeting in a folder that all machines share: FOLDER/JOB.
//
// Each process leaves a file with its address, and writes into it whose files it has seen. A record counts
// only for a process that it names: it was written after that process had come, so whoever wrote it lives,
// and what an earlier run has left counts for nobody. No clocks are compared. A process looks again and
// again until the meeting is over, and then less often until it ends, so one that is started anew is
// answered soon, and one that claims the rank of a living one learns of it.
//
// Ranks that nobody has given are claimed: a register for each (a FileFence, FOLDER/JOB/rank-N) holds the
// process that has it. A claim of a process that does not answer may be overruled.
//
// On NFS a change is seen elsewhere once a machine looks at the folder anew, which it does after changing
// it itself; therefore own files are written again every second.
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { clearTimeout, setTimeout } from "node:timers";
import { UserError } from "../../src/config/user_error.ts";
import { FileFence } from "../fence/file_fence.ts";
import { addressText } from "../transport/address_text.ts";
import type { Address } from "../transport/transport.ts";
import { type Guest, missingText, notAllCame, rankTaken, TurnedAway } from "./guests.ts";
import { isUnspecified, outwardHost } from "./own_host.ts";
import type { Patience } from "./patience.ts";
import { PeerFolder, type PeerRecord } from "./peer_folder.ts";
import type { Roster, Say } from "./roster.ts";
import type { World } from "./world.ts";

/** Between looks into the folder, and between looks that write even if nothing is new. */
const LOOK_MILLISECONDS = 100;
const REWRITE_MILLISECONDS = 1000;

/** A peer whose own time is over ends a moment before; so long it is still told of. */
const RECENT_MILLISECONDS = 2000;

export async function meetInFolder(
  world: World,
  folder: string,
  own: Address,
  patience: Patience,
  say: Say,
): Promise<Roster> {
  const path = join(folder, folderName(world.job));
  const place = `the meeting in ${path}`;
  const host = isUnspecified(own.host) ? await outwardHost() : own.host;
  const address = { host, port: own.port };
  const peer = new FolderPeer(world, new PeerFolder(path, place), address, patience.grace, say);
  try {
    return await peer.meet(patience);
  } catch (error) {
    peer.close();
    throw error;
  }
}

/** A job's name may have any letters; a folder's not. */
function folderName(job: string): string {
  return job.replace(/[^A-Za-z0-9._-]|^\./g, (letter) => `%${letter.codePointAt(0)?.toString(16)}`);
}

class FolderPeer {
  private readonly process = randomBytes(8).toString("hex");
  private readonly came = performance.now();
  private rank: number | undefined;
  private roster: Address[] | undefined;
  private found: string[] = [];
  private seen: string[] = [];
  /** The others' records that are there. */
  private records: PeerRecord[] = [];
  /** When each process was last known to live. */
  private readonly lived = new Map<string, { readonly guest: PeerRecord; readonly at: number }>();
  private readonly turnedAway: TurnedAway;
  private writtenAt = -Infinity;
  private timer: NodeJS.Timeout | undefined;
  private looking: Promise<void> = Promise.resolve();
  private isClosed = false;

  constructor(
    private readonly world: World,
    private readonly folder: PeerFolder,
    private readonly address: Address,
    /** Milliseconds in which a living process answers. */
    private readonly grace: number,
    private readonly say: Say,
  ) {
    this.rank = world.rank;
    this.turnedAway = new TurnedAway((text) => say(`${folder.place}: ${text}`));
  }

  async meet(patience: Patience): Promise<Roster> {
    const { size } = this.world;
    await this.folder.make();
    this.found = await this.folder.processes();
    let said = "";
    for (;;) {
      await this.look();
      if (this.rank === undefined) await this.claimRank();
      this.refuseRivals();
      const addresses = this.complete();
      if (addresses) return await this.formed(addresses);
      if (patience.left <= 0) throw this.timedOut(patience.seconds);
      const text = missingText(size, this.here());
      if (text !== said) this.say(`${this.folder.place}: of ${size} peers ${text}`);
      said = text;
      await patience.pause(LOOK_MILLISECONDS);
    }
  }

  close(): void {
    this.isClosed = true;
    clearTimeout(this.timer);
    this.folder.removeNow(this.process);
    // What is being written just now brings the file back.
    void this.looking.then(() => this.folder.remove(this.process)).catch(() => undefined);
  }

  /** Reads the others' records, and says in the own one what is there. */
  private look(): Promise<void> {
    this.looking = this.lookOnce();
    return this.looking;
  }

  private async lookOnce(): Promise<void> {
    const processes = await this.folder.processes();
    const others = processes.filter((process) => process !== this.process);
    const records = await Promise.all(others.map((process) => this.folder.read(process)));
    this.records = records.filter((each) => each !== undefined);
    const at = performance.now();
    for (const guest of this.living) this.lived.set(guest.process, { guest, at });
    for (const guest of this.living) {
      if (this.isOfThisMeeting(guest) || this.givesWay(guest)) continue;
      this.turnedAway.add(guest.address, `it expects ${guest.size} peers, not ${this.world.size}`);
    }
    const seen = this.records.map(({ process }) => process);
    const isNew = seen.join() !== this.seen.join() || !processes.includes(this.process);
    this.seen = seen;
    if (isNew || performance.now() - this.writtenAt > REWRITE_MILLISECONDS) await this.write();
  }

  private async write(): Promise<void> {
    if (this.isClosed) return;
    this.writtenAt = performance.now();
    const { process, rank, address, found, seen, roster } = this;
    const { size } = this.world;
    await this.folder.write({ version: 1, process, rank, size, address, found, seen, roster });
  }

  /** Records that were written after this process came. */
  private get living(): PeerRecord[] {
    return this.records.filter(({ seen }) => seen.includes(this.process));
  }

  private isOfThisMeeting({ size }: PeerRecord): boolean {
    return size === this.world.size;
  }

  /** Left by processes that have not answered. */
  private get silent(): PeerRecord[] {
    return this.records.filter(
      ({ process, seen }) => this.found.includes(process) && !seen.includes(this.process),
    );
  }

  private get isGraceOver(): boolean {
    return performance.now() - this.came > this.grace;
  }

  /** Of two processes that cannot both be there, the later gives way. */
  private refuseRivals(): void {
    for (const rival of this.living) {
      const { rank, address, size } = rival;
      if (rank !== undefined && rank === this.rank && this.givesWay(rival)) {
        throw rankTaken(this.folder.place, rank, address);
      }
      if (!this.isOfThisMeeting(rival) && this.givesWay(rival)) {
        throw new UserError({
          place: this.folder.place,
          problem: `${addressText(address)} expects ${size} peers, this process ${this.world.size}`,
          remedy: "start all peers with the same --world-size, and another job with another --job",
        });
      }
    }
  }

  /** The later one; of two that came at once, one of them. */
  private givesWay(rival: PeerRecord): boolean {
    if (this.found.includes(rival.process)) return true;
    return !rival.found.includes(this.process) && this.process > rival.process;
  }

  private async claimRank(): Promise<void> {
    const living = this.living;
    for (let rank = 0; rank < this.world.size; rank++) {
      if (living.some((each) => each.rank === rank)) continue;
      const claim = new FileFence(join(this.folder.path, `rank-${rank}`), this.folder.place);
      const standing = await claim.read();
      const isAnswering = living.some(({ process }) => process === standing?.view);
      // Until the grace is over, a claim's owner may be about to write its record.
      if (standing && (isAnswering || !this.isGraceOver)) continue;
      const generation = standing?.generation ?? 0;
      const next = { generation: generation + 1, view: this.process };
      if ((await claim.swap(generation, next)) !== next) continue;
      this.rank = rank;
      return this.write();
    }
  }

  /** All addresses, once they are certain. */
  private complete(): Address[] | undefined {
    const { rank: own } = this;
    if (own === undefined) return undefined;
    // What an earlier process of this rank has left may be a living one's that has yet to answer.
    if (!this.isGraceOver && this.silent.some(({ rank }) => rank === own)) return undefined;
    const addresses: Address[] = [];
    for (let rank = 0; rank < this.world.size; rank++) {
      const address = rank === own ? this.address : this.addressOf(rank);
      if (!address) return undefined;
      addresses.push(address);
    }
    return addresses;
  }

  private addressOf(rank: number): Address | undefined {
    const peers = this.living.filter((each) => this.isOfThisMeeting(each));
    const [peer, rival] = peers.filter((each) => each.rank === rank);
    if (peer) return rival ? undefined : peer.address;
    // It has ended since, or is busy: whoever has been at the meeting knows where it was.
    return this.isGraceOver ? peers.find(({ roster }) => roster)?.roster?.[rank] : undefined;
  }

  private async formed(addresses: Address[]): Promise<Roster> {
    this.roster = addresses;
    await this.write();
    const left = this.silent.filter(({ rank }) => rank === undefined || rank === this.rank);
    for (const { process } of left) await this.folder.remove(process);
    this.lookLater();
    return { rank: this.rank ?? 0, addresses, close: () => this.close() };
  }

  private lookLater(): void {
    const lookAgain = async (): Promise<void> => {
      try {
        await this.look();
      } catch (error) {
        // Those that are started anew will not find us; this process has no need of the folder.
        this.say(error instanceof Error ? error.message : String(error));
        return;
      }
      if (!this.isClosed) this.lookLater();
    };
    this.timer = setTimeout(() => void lookAgain(), this.grace / 3);
    this.timer.unref();
  }

  private here(): Guest[] {
    const { rank, address } = this;
    const since = performance.now() - RECENT_MILLISECONDS;
    const others = [...this.lived.values()]
      .filter(({ guest, at }) => this.isOfThisMeeting(guest) && at >= since)
      .map(({ guest }) => guest);
    return [{ rank, address }, ...others];
  }

  private timedOut(seconds: number): UserError {
    const here = this.here();
    const { place } = this.folder;
    if (here.length <= this.world.size) {
      return notAllCame(place, this.world.size, seconds, here, this.turnedAway);
    }
    return new UserError({
      place,
      problem: `all ${this.world.size} ranks are taken by processes that live`,
      remedy: "start fewer processes, or end what is left of an earlier run",
    });
  }
}
