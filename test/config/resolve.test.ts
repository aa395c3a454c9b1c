import { describe, expect, test } from "bun:test";
import { z } from "zod";
import {
  type CriterionComponent,
  criterion,
  type ModelComponent,
  model,
} from "../../src/components.ts";
import { choice } from "../../src/config/choice.ts";
import type { ConfigFile } from "../../src/config/config_file.ts";
import { describeOrigin } from "../../src/config/origin.ts";
import { type ComponentRecord, restoreChosen, toRecord } from "../../src/config/record.ts";
import { givenValues, resolve } from "../../src/config/resolve.ts";
import { checkpoint } from "../../src/config/schemas/checkpoint.ts";
import { dataset } from "../../src/config/schemas/dataset.ts";
import { device } from "../../src/config/schemas/device.ts";
import { generation } from "../../src/config/schemas/generation.ts";
import { optimization } from "../../src/config/schemas/optimization.ts";
import { translation } from "../../src/config/schemas/translation.ts";
import { UserError } from "../../src/config/user_error.ts";
import { ComponentRegistry, ModelRegistry } from "../../src/registry.ts";

/** Components are only chosen and configured here. */
const unbuildable = (): never => {
  throw new Error("nothing is built in these tests");
};

const sharedEmbeddings = z.boolean().default(false).describe("one table of embeddings for all");
const tower = model({
  name: "tower",
  config: z.strictObject({
    layers: z.int().min(1).max(12).default(6).describe("layers"),
    dropout: z
      .number()
      .min(0)
      .lt(1)
      .default(0.1)
      .describe("dropout")
      .meta({ aliases: ["--relu-dropout"] }),
    share_all_embeddings: sharedEmbeddings,
    max_source_positions: z.int().min(1).default(1024),
  }),
  architectures: { tower_small: { layers: 2, dropout: 0.3, max_source_positions: 64 } },
  build: unbuildable,
});
const hinge = criterion({
  name: "hinge",
  config: z.strictObject({
    margin: z.number().default(1).describe("margin"),
    adam_betas: z.tuple([z.number(), z.number()]).default([0.9, 0.999]),
  }),
  build: unbuildable,
});

const components = {
  models: new ModelRegistry<ModelComponent>("model").add(tower),
  criterions: new ComponentRegistry<CriterionComponent>("criterion").add(hinge),
};

const sections = {
  device,
  dataset,
  optimization,
  checkpoint,
  generation,
  task: translation,
  model: choice<typeof tower>({
    key: "arch",
    registry: "models",
    default: "tower",
    description: "architecture",
    aliases: ["-a"],
  }),
  criterion: choice<typeof hinge>({
    key: "criterion",
    registry: "criterions",
    default: "hinge",
    description: "criterion",
  }),
};

function resolved(args: string, values?: Record<string, unknown>) {
  const file: ConfigFile | undefined =
    values === undefined ? undefined : { path: "run.yaml", folder: ".", values };
  return resolve("train", sections, { args: args.split(" ").filter(Boolean), file, components });
}

function problem(args: string, values?: Record<string, unknown>): string {
  try {
    resolved(args, values);
  } catch (error) {
    if (error instanceof UserError) return error.message;
    throw error;
  }
  throw new Error(`nothing is wrong with ${args}`);
}

describe("resolve()", () => {
  test("takes a value from the flag, else the file, else the architecture, else the schema", () => {
    const file = { dropout: 0.2, arch: "tower_small" };
    const layers = (args: string, values?: Record<string, unknown>) => {
      const { values: all, settings } = resolved(`data ${args}`, values);
      const origin = settings.find(({ key }) => key === "dropout")?.origin;
      return [all.model.config.dropout, origin && describeOrigin(origin)];
    };
    expect(layers("--dropout 0.5 -a tower_small", file)).toEqual([0.5, "--dropout"]);
    expect(layers("--arch tower_small", file)).toEqual([0.2, "run.yaml"]);
    expect(layers("-a tower_small")).toEqual([0.3, "architecture tower_small"]);
    expect(layers("")).toEqual([0.1, "default"]);
  });

  test("says where a choice came from", () => {
    const { settings, values } = resolved("data", { arch: "tower_small" });
    const arch = settings.find(({ key }) => key === "arch");
    expect([arch?.value, arch?.origin.from, values.model.name]).toEqual([
      "tower_small",
      "file",
      "tower_small",
    ]);
    expect(values.model.component.name).toBe("tower");
  });

  test("gives a shared key one value in all its sections", () => {
    const { values } = resolved("data -a tower_small");
    expect(values.task.max_source_positions).toBe(64);
    expect(values.model.config.max_source_positions).toBe(64);
  });

  test("refuses two defaults for one shared key", () => {
    const twice = { dataset, other: z.strictObject({ curriculum: z.int().min(0).default(3) }) };
    expect(() => resolve("train", twice, { args: ["data"], components })).toThrow(
      "--curriculum: dataset and other disagree",
    );
  });

  test("refuses one flag for two keys", () => {
    const twice = {
      dataset,
      other: z.strictObject({
        x: z
          .int()
          .optional()
          .meta({ aliases: ["--nval"] }),
      }),
    };
    expect(() => resolve("train", twice, { args: ["data"], components })).toThrow(
      "--nval: is claimed by max_valid_steps of dataset and x of other",
    );
  });

  test("reads fairseq's spellings", () => {
    const betas = (args: string[]) =>
      resolve("train", sections, { args: ["data", ...args], components }).values.criterion.config
        .adam_betas;
    expect(betas(["--adam-betas", "(0.9, 0.98)"])).toEqual([0.9, 0.98]);
    expect(betas(["--adam-betas=[0.9,0.98]"])).toEqual([0.9, 0.98]);
    expect(betas(["--adam-betas", "0.9, 0.98"])).toEqual([0.9, 0.98]);
    const { values } = resolved(
      "data -s en --target-lang de --lr [0.25] --update-freq 1,2 --max-sentences 32 --nval 3 " +
        "--share-all-embeddings --relu-dropout 0.25 --cpu --lenpen -0.5 --keep-last-epochs -1",
    );
    expect([values.task.source_lang, values.task.target_lang]).toEqual(["en", "de"]);
    expect([values.optimization.lr, values.optimization.update_freq]).toEqual([[0.25], [1, 2]]);
    expect([values.dataset.batch_size, values.dataset.max_valid_steps]).toEqual([32, 3]);
    expect(values.model.config.share_all_embeddings).toBe(true);
    expect(values.model.config.dropout).toBe(0.25);
    expect(values.device.device).toBe("cpu");
    expect(values.generation.lenpen).toBe(-0.5);
    expect(resolved("data --lr 5e-4").values.optimization.lr).toEqual([0.0005]);
    expect(resolved("data --lr 0.1,0.2").values.optimization.lr).toEqual([0.1, 0.2]);
  });

  test("reads switches with --no-, and with True or False behind them", () => {
    const padded = (args: string) => resolved(`data ${args}`).values.task.left_pad_source;
    expect(padded("")).toBe(true);
    expect(padded("--left-pad-source")).toBe(true);
    expect(padded("--no-left-pad-source")).toBe(false);
    expect(padded("--left-pad-source False")).toBe(false);
    expect(padded("--left-pad-source=True")).toBe(true);
    expect(
      resolved("data --share-all-embeddings --no-share-all-embeddings").values.model.config
        .share_all_embeddings,
    ).toBe(false);
    expect(problem("data --no-left-pad-source=1")).toContain('takes no value, but "1" is given');
  });

  test("lets a flag with an optional value stand alone", () => {
    const generated = (...args: string[]) =>
      resolve("train", sections, { args: [...args, "data"], components }).values;
    expect(generated("--remove-bpe").generation.post_process).toBe("subword_nmt");
    expect(generated("--remove-bpe").dataset.data).toBe("data");
    expect(generated("--remove-bpe", "sentencepiece").generation.post_process).toBe(
      "sentencepiece",
    );
    expect(generated("--remove-bpe=@@ ").generation.post_process).toBe("@@ ");
    expect(generated("--post-process", "@@ ").generation.post_process).toBe("@@ ");
    expect(generated("--print-alignment", "soft").generation.print_alignment).toBe("soft");
    expect(generated("--print-alignment").generation.print_alignment).toBe("hard");
    expect(generated("--replace-unk", "--beam", "2").generation.replace_unk).toBe(true);
    expect(generated("--replace-unk", "align.txt").generation.replace_unk).toBe("align.txt");
  });

  test("reads a file's values as a flag would, and null as not given", () => {
    const { values } = resolved("data", {
      lr: 0.5,
      adam_betas: "(0.9, 0.98)",
      max_sentences: 8,
      max_tokens: null,
    });
    expect(values.optimization.lr).toEqual([0.5]);
    expect(values.criterion.config.adam_betas).toEqual([0.9, 0.98]);
    expect([values.dataset.batch_size, values.dataset.max_tokens]).toEqual([8, undefined]);
  });

  test("offers the nearest name for an unknown flag, key or component", () => {
    expect(problem("data --max-tokns 5")).toBe(
      "--max-tokns: there is no such flag here;\n  did you mean --max-tokens?",
    );
    expect(problem("data", { max_tokns: 5 })).toBe(
      "run.yaml: max_tokns: there is no such key here;\n  did you mean max_tokens?",
    );
    expect(problem("data -a tower_smal")).toContain("did you mean tower_small?");
    expect(problem("data --criterion hing")).toContain("did you mean hinge?");
    expect(problem("data --user-dir x")).toContain("use --plugin FILE");
  });

  test("names the flag, the value and the range of a value out of range", () => {
    expect(problem("data --max-tokens -5")).toBe(
      "--max-tokens: -5 is out of range;\n  give a whole number, at least 1",
    );
    expect(problem("data --layers 13")).toBe(
      "--layers: 13 is out of range;\n  give a whole number from 1 to 12",
    );
    expect(problem("data --dropout 1")).toBe(
      "--dropout: 1 is out of range;\n  give a number, at least 0 and below 1",
    );
    expect(problem("data --beam 2.5")).toBe(
      "--beam: 2.5 is of the wrong kind;\n  give a whole number, at least 1",
    );
    expect(problem("data --beam five")).toBe(
      '--beam: "five" is of the wrong kind;\n  give a whole number, at least 1',
    );
    expect(problem("data --update-freq 0")).toContain("--update-freq: 0 is out of range");
    expect(problem("data --dataset-impl mmapp")).toContain("did you mean mmap?");
    expect(problem("data", { layers: 0 })).toContain("run.yaml: layers: 0 is out of range");
  });

  test("names what is missing or too much", () => {
    expect(problem("")).toContain("data: is missing;\n  give data: folder of binarised data");
    expect(problem("data more")).toContain('"more" belongs to no flag');
    expect(problem("data --max-tokens")).toContain("--max-tokens: needs a value;");
    expect(problem("data --source-lang --target-lang de")).toContain(
      "needs a value, but --target-lang follows",
    );
  });
});

test("toRecord() keeps every value as plain JSON", () => {
  const { values } = resolved("data -a tower_small --lr 0.5");
  const record = toRecord("train", sections, values, [{ name: "mine.ts", sha256: "00" }]);
  expect(JSON.parse(JSON.stringify(record))).toEqual(record);
  expect(record.sections.model).toEqual({
    component: "tower",
    name: "tower_small",
    config: { layers: 2, dropout: 0.3, share_all_embeddings: false, max_source_positions: 64 },
  });
  expect(record.plugins).toEqual([{ name: "mine.ts", sha256: "00" }]);
});

test("restoreChosen() brings back what toRecord() kept", () => {
  const { values } = resolved("data -a tower_small");
  const record = toRecord("train", sections, values, []).sections.model as ComponentRecord;
  expect(restoreChosen(record, components.models, "ck.safetensors")).toEqual(values.model as never);
  const overrides = { dropout: 0, beam: 4 };
  const changed = restoreChosen(record, components.models, "ck.safetensors", overrides);
  expect(changed.config.dropout).toBe(0);
  expect(() => restoreChosen(record, components.models, "ck.safetensors", { layers: 0 })).toThrow(
    "ck.safetensors: tower: layers",
  );
  const absent = { ...record, component: "towel" };
  expect(() => restoreChosen(absent, components.models, "ck.safetensors")).toThrow(
    "did you mean tower?",
  );
});

test("givenValues() leaves out what nobody gave", () => {
  const { settings } = resolved("data -s en", { target_lang: "de" });
  expect(givenValues(settings, "task")).toEqual({ source_lang: "en", target_lang: "de" });
});
