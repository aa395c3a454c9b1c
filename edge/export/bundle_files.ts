// A bundle in memory: its files by name, the manifest among them.
import { GRAPH_FILES, graphFiles } from "../onnx/graph_files.ts";
import { type BundleSource, hashOfManifest, sha256Of } from "../runtime/bundle.ts";
import {
  type Architecture,
  BUNDLE_VERSION,
  type Card,
  type Manifest,
  manifestSchema,
  SHARD_BYTES,
} from "../runtime/manifest.ts";
import { layOut, type Quantize } from "./arena.ts";
import type { ModelTensor } from "./model_tensors.ts";

export type BundleFiles = ReadonlyMap<string, Uint8Array<ArrayBuffer>>;

export interface BundleParts {
  readonly architecture: Architecture;
  readonly tensors: readonly ModelTensor[];
  readonly card: Card;
  /** Texts of the dictionaries; of one language if both are the same. */
  readonly dictionaries: Readonly<Record<string, string>>;
  readonly tokenizer?: Manifest["text"]["tokenizer"];
  readonly bpe?: { readonly codes: string; readonly separator: string };
}

const CODES = "bpe.codes";

const bytesOf = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);

/**
 * Quantises and packs a model with its text.
 *
 * @param shardBytes longest file of weights. Tensors go on from one into the next.
 */
export async function bundleFiles(
  parts: BundleParts,
  quantize: Quantize,
  shardBytes = SHARD_BYTES,
): Promise<BundleFiles> {
  const { architecture, card, dictionaries, tokenizer, bpe } = parts;
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  const { tensors, bytes } = layOut(parts.tensors, quantize);
  const shards: string[] = [];
  for (let at = 0; at < bytes.length; at += shardBytes) {
    const name = `weights-${String(shards.length).padStart(3, "0")}.bin`;
    files.set(name, bytes.slice(at, at + shardBytes));
    shards.push(name);
  }
  const { source_lang, target_lang } = card;
  const isJoint = dictionaries[source_lang] === dictionaries[target_lang];
  const [source_dictionary, target_dictionary] = isJoint
    ? ["dict.txt", "dict.txt"]
    : ["dict.source.txt", "dict.target.txt"];
  files.set(source_dictionary, bytesOf(dictionaries[source_lang]));
  files.set(target_dictionary, bytesOf(dictionaries[target_lang]));
  if (bpe) files.set(CODES, bytesOf(bpe.codes));
  const graphs = graphFiles({ architecture, tensors: [...tensors] });
  for (const [name, graph] of graphs) files.set(name, graph);
  const manifest: Omit<Manifest, "sha256"> = {
    weft_bundle: BUNDLE_VERSION,
    card,
    quantize,
    architecture,
    text: {
      source_dictionary,
      target_dictionary,
      tokenizer,
      bpe: bpe && { kind: "subword_nmt", codes: CODES, separator: bpe.separator },
    },
    files: await describe(files),
    shards,
    tensors: [...tensors],
    onnx: GRAPH_FILES,
  };
  files.set("manifest.json", await manifestBytes(manifest));
  return files;
}

/** The same files with another card. */
export async function withCard(files: BundleFiles, card: Card): Promise<BundleFiles> {
  const text = new TextDecoder().decode(files.get("manifest.json"));
  const { sha256: _, ...known } = JSON.parse(text) as Manifest;
  return new Map(files).set("manifest.json", await manifestBytes({ ...known, card }));
}

/** Reads files in memory as if they were a folder. */
export const memorySource = (files: BundleFiles, place: string): BundleSource => ({
  place,
  async read(name) {
    const bytes = files.get(name);
    if (bytes === undefined) throw new Error("there is no such file");
    return bytes;
  },
});

async function describe(files: BundleFiles): Promise<Manifest["files"]> {
  const entries: Manifest["files"] = {};
  for (const [name, bytes] of files) {
    entries[name] = { bytes: bytes.length, sha256: await sha256Of(bytes) };
  }
  return entries;
}

/** The schema's parse puts the keys into its order, and leaves out what is undefined. */
async function manifestBytes(manifest: Omit<Manifest, "sha256">): Promise<Uint8Array<ArrayBuffer>> {
  const { sha256: _, ...ordered } = manifestSchema.parse({ ...manifest, sha256: "0".repeat(64) });
  const plain = JSON.parse(JSON.stringify(ordered)) as Omit<Manifest, "sha256">;
  const whole = { ...plain, sha256: await hashOfManifest(plain) };
  return bytesOf(`${JSON.stringify(whole, undefined, 1)}\n`);
}
