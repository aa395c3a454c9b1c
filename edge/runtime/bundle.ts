// A bundle under a check: its manifest is read first, and no file's bytes are used before their hash.
import * as z from "zod";
import { UserError } from "../../src/config/user_error.ts";
import {
  ALIGNMENT,
  BUNDLE_VERSION,
  type Manifest,
  manifestSchema,
  type TensorEntry,
} from "./manifest.ts";

/** Where a bundle's files come from: a folder, a worker's assets, a web server. */
export interface BundleSource {
  /** For messages. */
  readonly place: string;
  /** @throws if there is no such file. */
  read(name: string): Promise<Uint8Array<ArrayBuffer>>;
}

const MANIFEST = "manifest.json";
const EXPORT_AGAIN = "copy the bundle again, or write it anew with weft export";

export class Bundle {
  /** Files that were read and found whole. */
  private readonly checked = new Set<string>();

  private constructor(
    readonly manifest: Manifest,
    private readonly source: BundleSource,
  ) {}

  /** @throws UserError for a manifest that is none, naming the wrong field. */
  static async open(source: BundleSource): Promise<Bundle> {
    const bytes = await readFrom(source, MANIFEST);
    const place = `${source.place}/${MANIFEST}`;
    const manifest = parseManifest(new TextDecoder().decode(bytes), place);
    const { sha256, ...rest } = manifest;
    if ((await hashOfManifest(rest)) === sha256) return new Bundle(manifest, source);
    const problem = "is damaged: its text is not that of its own sha256";
    throw new UserError({ place, problem, remedy: EXPORT_AGAIN });
  }

  get place(): string {
    return this.source.place;
  }

  /** A file's bytes, checked. @throws UserError that names the file if it is not the one exported. */
  async read(name: string): Promise<Uint8Array<ArrayBuffer>> {
    const place = `${this.place}/${name}`;
    const known = this.manifest.files[name];
    if (known === undefined) {
      const problem = `${MANIFEST} does not list it`;
      throw new UserError({ place, problem, remedy: EXPORT_AGAIN });
    }
    const bytes = await readFrom(this.source, name);
    if (bytes.length !== known.bytes) {
      const problem = `has ${bytes.length} bytes, should have ${known.bytes}`;
      throw new UserError({ place, problem, remedy: EXPORT_AGAIN });
    }
    const sha256 = await sha256Of(bytes);
    if (sha256 !== known.sha256) {
      const problem = `is damaged: its SHA-256 is ${sha256}, should be ${known.sha256}`;
      throw new UserError({ place, problem, remedy: EXPORT_AGAIN });
    }
    this.checked.add(name);
    return bytes;
  }

  async readText(name: string): Promise<string> {
    return new TextDecoder().decode(await this.read(name));
  }

  /** Reads every file that was not read yet. @throws UserError naming the first bad one. */
  async verify(): Promise<void> {
    for (const name of Object.keys(this.manifest.files)) {
      if (!this.checked.has(name)) await this.read(name);
    }
  }
}

/** SHA-256 as 64 hexadecimal digits. */
export async function sha256Of(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** What a manifest says about itself. Keys must stand in the order of the schema. */
export const hashOfManifest = (manifest: Omit<Manifest, "sha256">): Promise<string> =>
  sha256Of(new TextEncoder().encode(JSON.stringify(manifest)));

async function readFrom(source: BundleSource, name: string): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return await source.read(name);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new UserError({
      place: `${source.place}/${name}`,
      problem: `cannot be read: ${reason}`,
      remedy: "give a folder that weft export wrote",
    });
  }
}

function parseManifest(text: string, place: string): Manifest {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new UserError({ place, problem: `is not JSON: ${reason}`, remedy: EXPORT_AGAIN });
  }
  const version = (value as { weft_bundle?: unknown } | null)?.weft_bundle;
  if (version !== BUNDLE_VERSION) {
    throw new UserError({
      place,
      problem: `weft_bundle is ${JSON.stringify(version)}, this weft reads ${BUNDLE_VERSION}`,
      remedy: "export the checkpoint with this version of weft",
    });
  }
  const parsed = manifestSchema.safeParse(value);
  if (parsed.success) return consistent(parsed.data, place);
  const [issue] = parsed.error.issues;
  const problem = `${z.core.toDotPath(issue.path)}: ${issue.message}`;
  throw new UserError({ place, problem, remedy: EXPORT_AGAIN });
}

/** What a tensor's dtype and shape take: see DTYPES. */
function bytesOf({ dtype, shape }: TensorEntry): number {
  const columns = shape.at(-1) ?? 1;
  const rows = shape.slice(0, -1).reduce((product, size) => product * size, 1);
  if (dtype === "f32") return 4 * rows * columns;
  if (dtype === "u8") return rows * columns;
  const padded = Math.ceil(columns / 32) * 32;
  return dtype === "i8" ? rows * padded : (rows * padded) / 2;
}

/** What the schema cannot say: files that are named are listed, tensors lie within the shards. */
function consistent(manifest: Manifest, place: string): Manifest {
  const { files, shards, text, tensors, onnx } = manifest;
  const { encoder, decoder } = manifest.architecture;
  const sides = { encoder, decoder };
  const refuse = (problem: string): never => {
    throw new UserError({ place, problem, remedy: EXPORT_AGAIN });
  };
  const codes = text.bpe ? [text.bpe.codes] : [];
  const texts = [text.source_dictionary, text.target_dictionary, ...codes];
  for (const name of [...shards, ...texts, onnx.encoder, onnx.decoder]) {
    if (!(name in files)) refuse(`names ${name}, which "files" does not list`);
  }
  const total = shards.reduce((sum, name) => sum + files[name].bytes, 0);
  const names = new Set<string>();
  for (const tensor of tensors) {
    const { name, offset, bytes } = tensor;
    if (names.has(name)) refuse(`lists tensor ${name} twice`);
    names.add(name);
    if (offset % ALIGNMENT !== 0)
      refuse(`${name} begins at ${offset}, no multiple of ${ALIGNMENT}`);
    if (offset + bytes > total) refuse(`${name} ends at ${offset + bytes}, the shards at ${total}`);
    const needed = bytesOf(tensor);
    if (bytes !== needed) refuse(`${name} has ${bytes} bytes, its shape needs ${needed}`);
  }
  for (const [side, { embed_dim, attention_heads }] of Object.entries(sides)) {
    if (embed_dim % attention_heads !== 0) {
      refuse(`architecture.${side}: ${attention_heads} heads do not divide width ${embed_dim}`);
    }
  }
  return manifest;
}
