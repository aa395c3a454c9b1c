import { expect, test } from "bun:test";
import { memorySource } from "../../../edge/export/bundle_files.ts";
import { Bundle, hashOfManifest } from "../../../edge/runtime/bundle.ts";
import type { Manifest } from "../../../edge/runtime/manifest.ts";
import { goldenTransformer } from "../../models/golden_transformer.ts";
import { cpu } from "../../support/devices.ts";
import { goldenFiles, openDecoder } from "./golden_bundle.ts";

const golden = goldenTransformer("transformer_prenorm_shared", cpu);
const files = await goldenFiles(golden, "int8");

type Files = Map<string, Uint8Array<ArrayBuffer>>;

/** What a reader of every file says about a bundle; undefined when it finds nothing wrong. */
async function complaint(change: (files: Files) => unknown): Promise<string | undefined> {
  const changed: Files = new Map(files);
  await change(changed);
  try {
    await (await Bundle.open(memorySource(changed, "b"))).verify();
  } catch (error) {
    return (error as Error).message;
  }
}

/** Changes the manifest as somebody would who also corrects its hash. */
function changeManifest(change: (manifest: Manifest) => void) {
  return async (changed: Files): Promise<void> => {
    const manifest = JSON.parse(new TextDecoder().decode(changed.get("manifest.json"))) as Manifest;
    change(manifest);
    const { sha256: _, ...rest } = manifest;
    const whole = { ...rest, sha256: await hashOfManifest(rest) };
    changed.set("manifest.json", new TextEncoder().encode(JSON.stringify(whole)));
  };
}

test("Bundle opens what was exported", async () => {
  expect(await complaint(() => {})).toBeUndefined();
});

test("Bundle names each file that is cut short, has a bit flipped, is another's, or is gone", async () => {
  const names = [...files.keys()];
  for (const [i, name] of names.entries()) {
    const bytes = files.get(name) ?? new Uint8Array();
    const changes: ((changed: Files) => void)[] = [
      (changed) => changed.set(name, bytes.slice(0, -2)),
      (changed) => changed.set(name, bytes.slice(0, bytes.length >> 1)),
      (changed) => changed.set(name, new Uint8Array()),
      (changed) => changed.set(name, files.get(names[(i + 1) % names.length]) ?? bytes),
      (changed) => changed.delete(name),
    ];
    for (const at of [0, bytes.length >> 1, (bytes.length >> 1) + 1, bytes.length - 3]) {
      changes.push((changed) => {
        const flipped = bytes.slice();
        flipped[at] ^= 1;
        changed.set(name, flipped);
      });
    }
    for (const change of changes) {
      const said = await complaint(change);
      if (said === undefined || !said.startsWith(`b/${name}: `)) {
        throw new Error(`${name}: the reader said ${said}`);
      }
    }
  }
});

test("Bundle refuses a manifest of another version, or with a field that does not fit", async () => {
  const cases: [(manifest: Manifest) => void, string][] = [
    [(m) => Object.assign(m, { weft_bundle: 2 }), "weft_bundle is 2, this weft reads 1"],
    [(m) => Object.assign(m.card, { licence: 5 }), "card.licence: "],
    [(m) => Object.assign(m, { extra: 1 }), 'Unrecognized key: "extra"'],
    [(m) => m.shards.push("../secret"), "shards[1]: must be a plain file name"],
    [(m) => m.shards.push("weights-009.bin"), 'names weights-009.bin, which "files" does not list'],
    [(m) => (m.tensors[0].offset += 2 ** 31), "the shards at"],
    [(m) => (m.tensors[0].offset += 2), "no multiple of 64"],
    [(m) => (m.tensors[0].bytes = 0), "its shape needs"],
    [(m) => (m.tensors[0].dtype = "f32"), "its shape needs"],
    [(m) => m.tensors.push(m.tensors[0]), "twice"],
    [(m) => (m.architecture.decoder.attention_heads = 3), "3 heads do not divide width"],
    [(m) => (m.architecture.encoder.layers = -1), "architecture.encoder.layers: "],
  ];
  for (const [change, said] of cases) {
    expect(await complaint(changeManifest(change))).toContain(said);
  }
});

test("a model is refused whose tensors are not those of its architecture", async () => {
  for (const change of [
    (m: Manifest) => (m.architecture.encoder.ffn_embed_dim += 1),
    (m: Manifest) => (m.architecture.decoder.layers += 1),
    (m: Manifest) => m.tensors.pop(),
  ]) {
    const changed: Files = new Map(files);
    await changeManifest(change)(changed);
    const opening = openDecoder(memorySource(changed, "b"), golden);
    await expect(opening).rejects.toThrow(/tensor \S+ is .*, the architecture needs/);
  }
});
