import { z } from "zod";
import { UserError } from "../config/user_error.ts";
import { fromExactJson, isRecord, toExactJson } from "./exact_json.ts";

/** The version that this weft writes, and the only one it reads without an upgrade. */
export const SCHEMA_VERSION = 1;

// State that another part of weft wrote and will check when it gets it back.
const state = z.record(z.string(), z.unknown());

/**
 * Everything of a training run that is not a tensor: one JSON document, in the checkpoint's
 * safetensors metadata under "weft". Numbers come back bit for bit, infinities and NaN included.
 */
export const checkpointRecord = z.strictObject({
  schema_version: z.literal(SCHEMA_VERSION),
  weft_version: z.string(),
  /** The resolved configuration, section by section. */
  config: state,
  /** Text of each dictionary file, by language (or "" where there is one for all). */
  dictionaries: z.record(z.string(), z.string()),
  data: z.strictObject({
    /** Content hash of the training data; another one is another run. */
    hash: z.string(),
  }),
  plugins: z.array(z.strictObject({ name: z.string(), sha256: z.string() })),
  /** Updates made so far. */
  num_updates: z.int().min(0),
  /** Position of the epoch iterator: the next batch to be trained on. */
  iterator: state,
  optimizer: z.strictObject({ name: z.string(), state }),
  lr_scheduler: z.strictObject({ name: z.string(), state }),
  criterion: z.string(),
  /** Loss scaling under mixed precision. */
  loss_scale: state.nullable(),
  meters: state,
  /** Best value of --best-checkpoint-metric so far, and what early stopping counts. */
  best: z.strictObject({
    metric: z.string(),
    value: number().nullable(),
    validations_without_improvement: z.int().min(0),
    early_stopping_best: number().nullable(),
  }),
  /** Last value of the metric, if it was validated at this point. */
  valid_value: number().nullable(),
  /** Seconds trained, over all restarts. */
  training_seconds: z.number().min(0),
  /** What decided the bits: device, threads, BLAS, chosen kernels. */
  run: state,
});

export type CheckpointRecord = z.infer<typeof checkpointRecord>;

// zod's number() refuses infinities and NaN, which a metric may well be.
function number() {
  return z.custom<number>((value) => typeof value === "number", "expected a number");
}

// One step per older version: from record N to record N + 1.
const UPGRADES: Readonly<Record<number, (record: Record<string, unknown>) => unknown>> = {};

/** The record as one JSON document. */
export const stringifyRecord = (record: CheckpointRecord): string => toExactJson(record);

/**
 * Reads what stringifyRecord wrote, upgrading older versions.
 *
 * @throws UserError naming `place` if the document is damaged or of a version not known.
 */
export function parseRecord(json: string, place: string): CheckpointRecord {
  const parsed = checkpointRecord.safeParse(upgrade(parseExact(json, place), place));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new UserError({
    place,
    problem: `its training record is damaged at ${issue?.path.join(".")}: ${issue?.message}`,
    remedy: "start from another checkpoint of this run",
  });
}

function parseExact(json: string, place: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = fromExactJson(json);
  } catch {}
  if (isRecord(value)) return value;
  throw new UserError({
    place,
    problem: "its training record is no JSON object",
    remedy: "start from another checkpoint of this run",
  });
}

function upgrade(record: Record<string, unknown>, place: string): unknown {
  let upgraded: unknown = record;
  let version = record.schema_version;
  while (version !== SCHEMA_VERSION) {
    const step = typeof version === "number" ? UPGRADES[version] : undefined;
    if (!step || !isRecord(upgraded)) {
      throw new UserError({
        place,
        problem: `its training record has schema version ${JSON.stringify(version)}, this weft reads ${SCHEMA_VERSION}`,
        remedy: "use the weft that wrote it (weft info names versions)",
      });
    }
    upgraded = step(upgraded);
    version = Number(version) + 1;
  }
  return upgraded;
}
