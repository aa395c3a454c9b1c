// The control messages between peers: what each may hold, checked before anything reads it.
import { z } from "zod";
import { MAX_PARTS, PART_BYTES } from "../wire/text_parts.ts";
import { member, view } from "./view.ts";

const rank = z.int().min(0).max(65535);
const generation = z.int().min(0);
const step = z.int().min(0);
/** Characters of a reason: longer ones are cut before they are sent. */
export const MAX_REASON = 1000;
const text = z.string().max(MAX_REASON);

/** What a peer is doing: waiting for all to come, training, between two views, or without a quorum. */
export const phase = z.enum(["forming", "member", "changing", "suspended"]);
export type Phase = z.infer<typeof phase>;

/** Where a peer stands, in greetings and heartbeats. */
const standing = {
  generation,
  /** Updates it has made. */
  step,
  phase,
  /** Ranks of its last view. */
  members: z.array(rank).max(4096),
  /** The last generation whose state it has. */
  installed: generation,
};

/** What must be equal on all peers: by what it is a value, or lines "--flag value" of several flags. */
export const agreement = z.record(z.string().max(64), z.string().max(8000));

/** The first message on every connection, both ways. */
export const hello = z.strictObject({
  t: z.literal("hello"),
  protocol: z.int(),
  job: z.string().max(200),
  size: z.int().min(1).max(4096),
  self: member,
  /** Wants to come to a cluster that is at work, not to form one. */
  joining: z.boolean(),
  /** Hash of its parameters. */
  parameters: z.int(),
  agreement,
  /** Its clock, in milliseconds since 1970. */
  clock: z.number(),
  ...standing,
});
export type Hello = z.infer<typeof hello>;

/** A ballot: of two with one round the higher rank's is the later. */
const ballot = z.tuple([z.int().min(0), rank]);
export type Ballot = z.infer<typeof ballot>;

export const isLater = (a: Ballot, b: Ballot | undefined): boolean =>
  b === undefined || a[0] > b[0] || (a[0] === b[0] && a[1] > b[1]);

export const isSameBallot = (a: Ballot, b: Ballot): boolean => a[0] === b[0] && a[1] === b[1];

/** What a peer's own numbers are. */
const progress = {
  /** Updates made. */
  step,
  /** Whether it holds the reduced gradients of the next one, and all that is needed to apply them. */
  held: z.boolean(),
  /** Hash of its parameters. */
  parameters: z.int(),
};
export type Progress = z.infer<z.ZodObject<typeof progress>>;

/** How far a peer has come when a view is changed. */
const position = z.strictObject({
  ...progress,
  /** The last generation whose state it has. */
  installed: generation,
  /** False while it is fetching the state: what it has of it is of no use, and counts for nothing. */
  whole: z.boolean(),
});
export type Position = z.infer<typeof position>;

/** A loss may be infinite or none at all, which zod's own number() refuses. */
const anyNumber = z.custom<number>((value) => typeof value === "number", "expected a number");

/** Of a text that may be longer than a message. */
const inParts = {
  part: z.int().min(0),
  parts: z.int().min(1).max(MAX_PARTS),
  bytes: z.instanceof(Uint8Array).refine(({ length }) => length <= PART_BYTES, "too many bytes"),
};

const schemas = [
  hello,
  /** Ends a connection; `fatal` says that dialling again is of no use. */
  z.strictObject({ t: z.literal("refuse"), reason: text, fatal: z.boolean() }),
  z.strictObject({ t: z.literal("beat"), ...standing }),
  /** Goes away in good order. `voted`: the last generation that it has accepted a view to follow, if any. */
  z.strictObject({ t: z.literal("leave"), reason: text, generation, voted: generation }),
  /** Stops the whole job on every peer. `isMistake`: until the user mends it, it would end likewise. */
  z.strictObject({ t: z.literal("fail"), reason: text, isMistake: z.boolean() }),
  // A change of the view, to its leader: these do not answer the sender.
  z.strictObject({
    t: z.literal("suspect"),
    generation,
    /** Members that it misses, and those that have left with no vote that counts. */
    ranks: z.array(rank).max(4096),
    gone: z.array(rank).max(4096),
  }),
  /** Wants to be taken in; `reaches` are the ranks that it has connections to. */
  z.strictObject({
    t: z.literal("join"),
    generation,
    self: member,
    position,
    reaches: z.array(rank).max(4096),
  }),
  // Single-decree Paxos over what follows generation `generation`; its members are the acceptors.
  z.strictObject({
    t: z.literal("prepare"),
    generation,
    ballot,
    /** All who are asked, if it is to form a cluster. */
    forms: z.array(rank).max(4096).nullable(),
  }),
  z.strictObject({
    t: z.literal("promise"),
    generation,
    ballot,
    position,
    /** Of the view that the change would follow, if this member knows it. */
    last: z.strictObject({ resume: step, fetching: z.array(rank).max(4096) }).nullable(),
    accepted: z.strictObject({ ballot, view }).nullable(),
  }),
  /** Has promised a later ballot. */
  z.strictObject({ t: z.literal("reject"), generation, promised: ballot }),
  z.strictObject({ t: z.literal("accept"), generation, ballot, view }),
  z.strictObject({ t: z.literal("accepted"), generation, ballot }),
  z.strictObject({ t: z.literal("decide"), view }),
  /** Has installed the view and, where it had to, fetched the state. */
  z.strictObject({ t: z.literal("installed"), generation }),
  // One update.
  z.strictObject({
    t: z.literal("sums"),
    generation,
    step,
    /** What the criterion summed, by number of the micro-batch. */
    rows: z.array(z.tuple([z.int().min(0), z.array(anyNumber).max(64)])).max(65536),
    /** Hash of the parameters that the gradients belong to. */
    parameters: z.int(),
    /** Seconds that this peer computed for the update. */
    busy: z.number(),
  }),
  z.strictObject({ t: z.literal("ready"), generation, step }),
  /** A value from every member, or from the first, for all. */
  z.strictObject({ t: z.literal("share"), generation, name: z.string().max(200), ...inParts }),
  /** What all members had shared, for one that missed the end of it: a message for each of them. */
  z.strictObject({
    t: z.literal("shared"),
    generation,
    name: z.string().max(200),
    /** Whose value it is, and how many had one. */
    rank,
    count: z.int().min(1).max(4096),
    ...inParts,
  }),
  /** Nothing touches a newcomer's memory any more: those who have the state may write there. */
  z.strictObject({ t: z.literal("fetch"), generation }),
  /** What a newcomer needs besides tensors. */
  z.strictObject({ t: z.literal("record"), generation, ...inParts }),
  /** Asks about the job, instead of a hello. */
  z.strictObject({ t: z.literal("status") }),
  z.strictObject({ t: z.literal("report"), ...inParts }),
] as const;

export const message = z.discriminatedUnion("t", schemas);
export type Message = z.infer<typeof message>;
export type MessageOf<T extends Message["t"]> = Extract<Message, { t: T }>;

/** Version of everything above. */
export const PROTOCOL = 1;
