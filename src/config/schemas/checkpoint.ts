import { z } from "zod";

const keep = (what: string) => z.int().min(-1).default(-1).describe(`${what} (-1: all)`);

/** What is saved when, what is kept, and what a run starts from. */
export const checkpoint = z.strictObject({
  save_dir: z
    .string()
    .default("checkpoints")
    .describe("folder for checkpoints")
    .meta({ placeholder: "FOLDER" }),
  restore_file: z
    .string()
    .default("checkpoint_last.safetensors")
    .describe("checkpoint to continue from, in --save-dir or by path; weft's or fairseq's .pt")
    .meta({ placeholder: "FILE" }),
  finetune_from_model: z
    .string()
    .optional()
    .describe("start from the weights alone of this file (weft, fairseq .pt, safetensors)")
    .meta({ placeholder: "FILE" }),
  reset_dataloader: z
    .boolean()
    .default(false)
    .describe("begin the data anew instead of where the checkpoint stood"),
  reset_lr_scheduler: z.boolean().default(false).describe("begin the learning rate schedule anew"),
  reset_meters: z
    .boolean()
    .default(false)
    .describe("forget the best score and the averages of the checkpoint"),
  reset_optimizer: z.boolean().default(false).describe("forget the moments of the optimizer"),
  save_interval: z.int().min(1).default(1).describe("save every N epochs"),
  save_interval_updates: z
    .int()
    .min(0)
    .default(0)
    .describe("also save (and validate) every N updates (0: never)"),
  keep_interval_updates: keep("keep the last N checkpoints saved by --save-interval-updates"),
  keep_interval_updates_pattern: z
    .int()
    .min(-1)
    .default(-1)
    .describe("never delete those whose update is a multiple of N (-1: no such)"),
  keep_last_epochs: keep("keep the checkpoints of the last N epochs"),
  keep_best_checkpoints: z
    .int()
    .min(-1)
    .default(-1)
    .describe("keep the N best checkpoints besides (-1: none)"),
  no_save: z.boolean().default(false).describe("save nothing"),
  no_epoch_checkpoints: z
    .boolean()
    .default(false)
    .describe("save only the last and the best checkpoint"),
  no_last_checkpoints: z.boolean().default(false).describe("do not save the last checkpoint"),
  no_save_optimizer_state: z
    .boolean()
    .default(false)
    .describe("save without the optimizer's moments: half the size or less, but no exact resume"),
  best_checkpoint_metric: z
    .string()
    .default("loss")
    .describe("value of the validation that says which checkpoint is best")
    .meta({ placeholder: "NAME" }),
  maximize_best_checkpoint_metric: z
    .boolean()
    .default(false)
    .describe("the largest value is best, not the smallest"),
  patience: z
    .int()
    .min(-1)
    .default(-1)
    .describe("stop after N validations in a row without improvement (-1: never)"),
  restart_on_device_loss: z
    .boolean()
    .default(false)
    .describe(
      "when the GPU is lost, open it again and go on from the last checkpoint, as long as that brings the run forward (unset: an error that names the checkpoint)",
    ),
  checkpoint_suffix: z.string().default("").describe("text to add to the names of the checkpoints"),
});

export type CheckpointConfig = z.output<typeof checkpoint>;
