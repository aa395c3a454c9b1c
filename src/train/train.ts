// `weft train` from a parsed configuration: builds the parts, restores what a checkpoint holds, runs.
import process from "node:process";
import { tryFence } from "../../cluster/fence/open_fence.ts";
import { Cancelled } from "../../cluster/peer/cancelled.ts";
import type {
  CriterionComponent,
  LrSchedulerComponent,
  ModelComponent,
  OptimizerComponent,
  TaskComponent,
} from "../components.ts";
import type { Chosen } from "../config/choice.ts";
import type { ConfigRecord } from "../config/record.ts";
import type { CheckpointConfig } from "../config/schemas/checkpoint.ts";
import type { ClusterConfig } from "../config/schemas/cluster.ts";
import type { CommonConfig } from "../config/schemas/common.ts";
import type { DatasetConfig } from "../config/schemas/dataset.ts";
import type { DeviceConfig } from "../config/schemas/device.ts";
import type { EmaConfig } from "../config/schemas/ema.ts";
import type { OptimizationConfig } from "../config/schemas/optimization.ts";
import type { PrecisionConfig } from "../config/schemas/precision.ts";
import type { RawTextConfig } from "../config/schemas/raw_text.ts";
import { UserError } from "../config/user_error.ts";
import { collectGarbage } from "../device/collect_garbage.ts";
import { commonWidthMultiple, type Device } from "../device/device.ts";
import { openDevice } from "../device/open_device.ts";
import type { Span } from "../device/spans.ts";
import { accountOf, summaryOf, traceDocument } from "../engine/profile.ts";
import { bindParameters, type EncoderDecoderModel, initializeParameters } from "../models/model.ts";
import type { Task } from "../tasks/task.ts";
import { version } from "../version.ts";
import { BatchSource } from "./batch_source.ts";
import { writeCheckpoint } from "./checkpoint_file.ts";
import { prepareFolder, removeUnfinished } from "./checkpoint_replace.ts";
import { Company } from "./company.ts";
import { DeviceLosses } from "./device_losses.ts";
import { Interrupt } from "./interrupt.ts";
import { joinPeers, outerStep } from "./join_peers.ts";
import { chooseLogFormat } from "./log_format.ts";
import { checkPrecision, lossScaling, precisionOf } from "./loss_scaler.ts";
import { giveUp, type Meeting, meetPeers } from "./meet_peers.ts";
import { announceMemory, refuseTooLarge } from "./memory.ts";
import { TrainingMetrics } from "./metrics.ts";
import { NamedFile } from "./named_file.ts";
import { TrainingLog } from "./progress.ts";
import { type RunIdentity, runRecord } from "./run_record.ts";
import { snapshot } from "./snapshot.ts";
import { startFrom } from "./start.ts";
import { Trainer } from "./trainer.ts";
import { type NamedLanguages, trainingData } from "./training_data.ts";
import { type RunEnd, TrainingRun } from "./training_run.ts";
import { type ExtraMetrics, Validator } from "./validator.ts";

/** The parsed sections of `weft train`. */
export interface TrainConfig {
  readonly dataset: DatasetConfig;
  readonly raw_text: RawTextConfig;
  readonly task: Chosen<TaskComponent>;
  readonly model: Chosen<ModelComponent>;
  readonly criterion: Chosen<CriterionComponent>;
  readonly optimizer: Chosen<OptimizerComponent>;
  readonly lr_scheduler: Chosen<LrSchedulerComponent>;
  readonly optimization: OptimizationConfig;
  readonly precision: PrecisionConfig;
  readonly checkpoint: CheckpointConfig;
  readonly ema: EmaConfig;
  readonly device: DeviceConfig;
  readonly cluster: ClusterConfig;
  readonly common: CommonConfig;
}

/** Where the log is written: stderr, and what is known of it. */
export interface TrainTerminal {
  log(text: string): void;
  readonly isTerminal: boolean;
  readonly columns: number;
}

/** What further metrics of a validation may need of the run. */
export interface MetricsContext {
  readonly device: Device;
  readonly model: EncoderDecoderModel;
  readonly task: Task;
  readonly config: TrainConfig;
  readonly log: (line: string) => void;
  /** To be awaited now and then in long work: lets signals be heard. */
  readonly breathe: () => Promise<void>;
}

/** Makes the metrics that the configuration asks for besides the criterion's. */
export type MetricsBuilder = (context: MetricsContext) => ExtraMetrics | undefined;

const clock = (): number => performance.now() / 1000;

/**
 * Trains as configured.
 *
 * @param record what checkpoints remember of the configuration.
 * @param extraMetrics further metrics of each validation, such as BLEU of translations.
 * @returns the exit code if a signal ended the run, undefined if it ran to its end.
 */
export async function train(
  given: TrainConfig,
  record: ConfigRecord,
  terminal: TrainTerminal,
  extraMetrics: MetricsBuilder = () => undefined,
): Promise<number | undefined> {
  refuseUnbounded(given.dataset);
  const log = openLog(given.common, terminal);
  const say = (line: string): void => log.info("train", line);
  const meeting = await meetPeers(given.cluster, say);
  const interrupt = new Interrupt(say);
  interrupt.hurry = () => meeting?.cluster.cancel();
  interrupt.onBreath = () => meeting?.cluster.alive();
  try {
    // Whatever fails from here on, the other peers are told.
    if (meeting?.config.fence !== undefined) await tryFence(meeting.config.fence);
    const languages = given.task.config as NamedLanguages;
    const data = await trainingData(given.dataset, given.raw_text, languages, say);
    const config = { ...given, dataset: { ...given.dataset, data } };
    return await attempts(config, record, log, interrupt, meeting, extraMetrics);
  } catch (error) {
    if (error instanceof Cancelled) {
      say("stopped while waiting for the other peers");
      await meeting?.cluster.leave(`${interrupt.signal}`);
      return interrupt.exitCode;
    }
    if (meeting) await giveUp(meeting, error as Error, say);
    throw error;
  } finally {
    interrupt.close();
    meeting?.close();
  }
}

/** Trains on the device; if it is lost, perhaps once more on the same one opened anew. */
async function attempts(
  given: TrainConfig,
  record: ConfigRecord,
  log: TrainingLog,
  interrupt: Interrupt,
  meeting: Meeting | undefined,
  extraMetrics: MetricsBuilder,
): Promise<number | undefined> {
  const say = (line: string): void => log.info("train", line);
  const restarts = given.checkpoint.restart_on_device_loss;
  const losses = new DeviceLosses(restarts, meeting !== undefined, say);
  for (;;) {
    const config = losses.attempt(given);
    const device = await losses.open(() => openDevice(config.device, say, meeting?.localRank));
    try {
      checkPrecision(config.precision, device, meeting !== undefined, say);
      const task = buildTask(device, config, say);
      const parts = { device, task, config, record, log, interrupt, meeting, extraMetrics, losses };
      return await trainOn(parts);
    } catch (error) {
      await losses.settle(error, device);
    } finally {
      await device.close();
    }
  }
}

function buildTask(
  device: Device,
  { task: { component, config }, dataset }: TrainConfig,
  say: (line: string) => void,
): Task {
  const { data, dataset_impl: datasetImpl, required_seq_len_multiple: required } = dataset;
  const padToMultiple = commonWidthMultiple(device, required);
  const task = component.build(config, { data, datasetImpl, padToMultiple });
  for (const [language, { length }] of [
    [task.sourceLang, task.sourceDictionary],
    [task.targetLang, task.targetDictionary],
  ] as const) {
    say(`[${language}] dictionary: ${length} types`);
  }
  if (padToMultiple !== required) {
    say(`batches have widths of multiples of ${padToMultiple}, so that plans are reused`);
  }
  return task;
}

interface Attempt {
  readonly device: Device;
  readonly task: Task;
  readonly config: TrainConfig;
  readonly record: ConfigRecord;
  readonly log: TrainingLog;
  readonly interrupt: Interrupt;
  readonly meeting: Meeting | undefined;
  readonly extraMetrics: MetricsBuilder;
  readonly losses: DeviceLosses;
}

async function trainOn(attempt: Attempt): Promise<number | undefined> {
  const { device, task, config, record, log, interrupt, meeting, extraMetrics, losses } = attempt;
  const { common, dataset, optimization, checkpoint, ema, cluster } = config;
  const say = (line: string): void => log.info("train", line);
  const profile =
    common.profile === undefined ? undefined : new NamedFile("--profile", common.profile);
  const spans: Span[] | undefined = profile && [];
  const trainer = buildTrainer(device, task, config, spans);
  const { model, parameters, criterion } = trainer.options;
  say(`${config.model.name}: ${parameters.size.toLocaleString("en")} parameters`);
  refuseTooLarge(trainer);
  initializeParameters(model, device, common.seed);

  const limits = [model.maxPositions.source, model.maxPositions.target] as const;
  const shards = { given: cluster.batch_shards, peers: meeting?.size ?? 1 };
  const batches = new BatchSource(task, dataset, common.seed, limits, say, shards);
  const company = new Company(meeting?.cluster);
  const sgd = meeting && outerStep(trainer, cluster);
  log.showProgressWhile(() => company.leads);
  const metrics = new TrainingMetrics(criterion, optimization.clip_norm > 0, clock);
  const identity: RunIdentity = {
    version,
    config: record,
    task,
    dataHash: task.dataHash(dataset.train_subset),
    validationHash:
      meeting && !dataset.disable_validation
        ? dataset.valid_subset
            .split(",")
            .map((subset) => task.dataHash(subset))
            .join()
        : undefined,
    run: { device: device.description },
  };
  const { breathe } = interrupt;
  const extra = extraMetrics({ device, model, task, config, log: say, breathe });
  const validator = new Validator({
    dataset,
    checkpoint,
    trainer,
    batches,
    log,
    clock,
    extra,
    breathe,
    company,
  });
  if (!dataset.disable_validation) validator.load();
  const metric = checkpoint.best_checkpoint_metric;
  const run = new TrainingRun({
    config: { common, dataset, optimization, checkpoint },
    trainer,
    batches,
    validator,
    metrics,
    log,
    interrupt,
    clock,
    company,
    spans,
    record: (state, iterator) => runRecord(identity, trainer, metrics, state, iterator, metric),
    async save(path) {
      const began = run.rounds?.underWay(trainer.updates);
      const { no_save_optimizer_state: no } = checkpoint;
      const outer = sgd && { momentum: sgd.momentum, anchor: began && sgd.anchor };
      await writeCheckpoint(path, snapshot(trainer, began ?? run.record(), !no, outer));
    },
  });
  losses.follow(run);
  // Whoever may come to lead must be able to save.
  if (!checkpoint.no_save) await prepareFolder(checkpoint.save_dir);
  const modelSettings = config.model.config;
  const own = startFrom({
    checkpoint,
    ema,
    modelSettings,
    trainer,
    batches,
    metrics,
    identity,
    run,
    outerMomentum: sgd?.momentum,
    say,
  });
  const theirs =
    meeting &&
    (await joinPeers(meeting, {
      ...{ company, trainer, batches, metrics, identity, run, checkpoint, sgd, say },
      ...{ updateFreq: optimization.update_freq, epoch: own },
    }));
  if (!checkpoint.no_save && company.leads) await removeUnfinished(checkpoint.save_dir);
  const epoch = theirs ?? own;
  const validation = dataset.disable_validation ? [] : validator.largest();
  const largest = batches.largest(epoch, (shape) => trainer.pieces(shape));
  announceMemory(trainer, largest, validation, say);

  // What starting left would stay resident.
  collectGarbage();
  const end = await run.run(epoch);
  const othersSave = !company.leads && !checkpoint.no_save;
  await meeting?.cluster.leave(interrupt.signal ?? "done");
  if (spans && profile) {
    profile.write(traceDocument(spans));
    say(summaryOf(accountOf(spans)));
    say(`wrote the time of each op to ${common.profile}`);
  }
  if (interrupt.signal) {
    say(
      `stopped by ${interrupt.signal} after update ${trainer.updates}; ${saved(end, othersSave)}`,
    );
    return interrupt.exitCode;
  }
  say(
    `done training after ${trainer.updates} updates in ${metrics.wall().toFixed(1)} s: ${end.reason}`,
  );
  return undefined;
}

/** What is left of a run that a signal ended. */
function saved({ last }: RunEnd, othersSave: boolean): string {
  if (last !== undefined) return `${last} continues from there`;
  return othersSave ? "the peer that leads saves" : "nothing was saved";
}

function buildTrainer(
  device: Device,
  task: Task,
  config: TrainConfig,
  spans: Span[] | undefined,
): Trainer {
  const { common, optimization, ema, precision, cluster } = config;
  const model = config.model.component.build(config.model.config, task.modelContext);
  const storage = precisionOf(precision);
  const parameters = bindParameters(model, model.droppableLayers, storage);
  const criterion = config.criterion.component.build(config.criterion.config, {
    padding: task.targetDictionary.padIndex,
    sentenceAvg: optimization.sentence_avg,
  });
  const optimizer = config.optimizer.component.build(config.optimizer.config, { parameters });
  const schedule = config.lr_scheduler.component.build(config.lr_scheduler.config, optimization.lr);
  const { clip_norm: clipNorm } = optimization;
  const { seed } = common;
  return new Trainer({
    device,
    model,
    parameters,
    criterion,
    optimizer,
    schedule,
    clipNorm,
    seed,
    ema,
    lossScaling:
      storage === "f32"
        ? undefined
        : lossScaling(precision, optimization, cluster.batch_shards ?? 1),
    spans,
  });
}

/** Without a bound one batch would be the whole training set. */
function refuseUnbounded({ max_tokens, batch_size }: DatasetConfig): void {
  if (max_tokens !== undefined || batch_size !== undefined) return;
  throw new UserError({
    place: "--max-tokens",
    problem: "is missing, and so is --batch-size",
    remedy: "say how large a batch may be, e.g. --max-tokens 4096",
  });
}

function openLog(common: CommonConfig, terminal: TrainTerminal): TrainingLog {
  const { log_format, no_progress_bar, log_file } = common;
  const file = log_file === undefined ? undefined : new NamedFile("--log-file", log_file);
  const format = chooseLogFormat(log_format, no_progress_bar, terminal.isTerminal);
  return new TrainingLog({
    format,
    output: {
      line(text) {
        terminal.log(text);
        file?.append(`${text}\n`);
      },
      draw: (text) => process.stderr.write(text),
      columns: terminal.columns,
    },
    clock,
    now: () => new Date(),
  });
}
