// A fence under one key of etcd, over the JSON gateway of its version 3 interface (/v3/kv/...), which
// every etcd since 3.4 answers on its client port. Keys and values travel as base64; a swap is one
// transaction that compares the key's revision, so etcd decides, and reads are linearizable there.
import { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";
import { z } from "zod";
import { UserError } from "../../src/config/user_error.ts";
import { type Fence, type FenceRecord, MAX_RECORD } from "./fence.ts";
import { parseStored, requireLater, storedText } from "./stored_record.ts";

/** An answer is not waited for longer. */
const TIMEOUT_MILLISECONDS = 5000;

/** A record in base64, and what stands around it. */
const MAX_ANSWER = 2 * MAX_RECORD;

/** etcd leaves out what is zero, empty or false, and writes 64-bit integers as strings. */
const range = z.object({
  kvs: z.array(z.object({ value: z.string().default(""), mod_revision: z.string() })).optional(),
});
const transaction = z.object({
  succeeded: z.boolean().default(false),
  responses: z.array(z.object({ response_range: range.optional() })).optional(),
});

interface Kept {
  readonly record: FenceRecord | undefined;
  /** Of the key's last change; "0" if there is no such key. */
  readonly revision: string;
}

export class EtcdFence implements Fence {
  private readonly server: string;
  private readonly key: string;

  /**
   * @param address http://host:2379/key, or https.
   * @throws UserError if it is not one.
   */
  constructor(
    address: string,
    private readonly place: string = `--fence etcd:${address}`,
  ) {
    const url = URL.canParse(address) ? new URL(address) : undefined;
    const key = decodeURIComponent(url?.pathname.slice(1) ?? "");
    const isPlain = url && url.username + url.password + url.search + url.hash === "";
    if (!isPlain || !/^https?:$/.test(url.protocol) || key === "") {
      throw new UserError({
        place,
        problem: "is not the address of an etcd with a key",
        remedy:
          "write etcd://host:2379/key, or etcd:https://… (names and passwords are not supported)",
      });
    }
    this.server = url.origin;
    this.key = encode(key);
  }

  async prepare(): Promise<void> {
    await this.kept();
  }

  async read(): Promise<FenceRecord | undefined> {
    return (await this.kept()).record;
  }

  async swap(expectedGeneration: number, next: FenceRecord): Promise<FenceRecord> {
    requireLater(expectedGeneration, next);
    const standing = await this.kept();
    if (standing.record && standing.record.generation !== expectedGeneration)
      return standing.record;
    if (!standing.record && expectedGeneration !== 0) throw this.emptied(expectedGeneration);
    const writer = randomBytes(8).toString("hex");
    const put = { key: this.key, value: encode(storedText(next, writer)) };
    const answer = await this.ask("txn", transaction, {
      compare: [{ key: this.key, target: "MOD", result: "EQUAL", mod_revision: standing.revision }],
      success: [{ request_put: put }],
      failure: [{ request_range: { key: this.key } }],
    });
    if (answer.succeeded) return next;
    const other = this.keptIn(answer.responses?.[0]?.response_range ?? {});
    if (!other.record) throw this.emptied(next.generation);
    return other.record;
  }

  private async kept(): Promise<Kept> {
    return this.keptIn(await this.ask("range", range, { key: this.key }));
  }

  private keptIn({ kvs = [] }: z.output<typeof range>): Kept {
    const [entry] = kvs;
    if (!entry) return { record: undefined, revision: "0" };
    const text = Buffer.from(entry.value, "base64").toString("utf8");
    return { record: parseStored(text, this.place).record, revision: entry.mod_revision };
  }

  private async ask<T>(method: "range" | "txn", schema: z.ZodType<T>, body: unknown): Promise<T> {
    const text = await this.post(`${this.server}/v3/kv/${method}`, JSON.stringify(body));
    let json: unknown;
    try {
      json = JSON.parse(text);
    } catch {
      // Falls through: undefined is no answer.
    }
    const { success, data } = schema.safeParse(json);
    if (success) return data;
    throw this.unreachable(`its answer is not etcd's: ${JSON.stringify(text.slice(0, 60))}`);
  }

  private async post(url: string, body: string): Promise<string> {
    try {
      const signal = AbortSignal.timeout(TIMEOUT_MILLISECONDS);
      const response = await fetch(url, { method: "POST", body, signal, redirect: "error" });
      const text = await boundedText(response);
      if (response.ok) return text;
      throw this.unreachable(`it answers ${response.status}: ${text.slice(0, 200).trim()}`);
    } catch (error) {
      if (error instanceof UserError) throw error;
      throw this.unreachable(error instanceof Error ? error.message : String(error));
    }
  }

  private unreachable(reason: string): UserError {
    return new UserError({
      place: this.place,
      problem: `etcd does not serve us (${reason})`,
      remedy: "start it, check the address, and let this machine reach its client port",
    });
  }

  private emptied(generation: number): UserError {
    return new UserError({
      place: this.place,
      problem: `nothing stands there, and generation ${generation} should`,
      remedy: "leave the key alone while the job runs",
    });
  }
}

const encode = (text: string): string => Buffer.from(text, "utf8").toString("base64");

async function boundedText(response: Response): Promise<string> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of response.body ?? []) {
    size += part.byteLength;
    if (size > MAX_ANSWER) throw new Error(`its answer is longer than ${MAX_ANSWER} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString("utf8");
}
