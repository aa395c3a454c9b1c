// Which checkpoints a run writes, and when: those that are due, and one on a signal.
import type { CheckpointConfig } from "../config/schemas/checkpoint.ts";
import { carryOut, checkpointNames } from "./checkpoint_folder.ts";
import { lastCheckpointName, planSave, type SavePlan } from "./checkpoint_policy.ts";
import { prepareFolder } from "./checkpoint_replace.ts";
import type { Company } from "./company.ts";
import type { TrainingLog } from "./progress.ts";
import type { Pending, RunState, Saving } from "./run_state.ts";
import type { Trainer } from "./trainer.ts";

export interface SaverParts {
  readonly config: { readonly checkpoint: CheckpointConfig };
  readonly trainer: Pick<Trainer, "updates">;
  readonly company: Company;
  readonly log: TrainingLog;
  readonly clock: () => number;
  /** Writes the present state under a path. */
  save(path: string): Promise<void>;
}

export class Saver {
  /** The checkpoint that a restart continues from, if this process has written one. */
  lastSaved: string | undefined;
  /** Updates that the last checkpoint of this process holds. */
  private savedAt: number | undefined;

  constructor(
    private readonly parts: SaverParts,
    private readonly state: RunState,
  ) {}

  /**
   * Saves what is due after an update. No peer goes on before that is done: should the one that saves die
   * in the midst of it, the next one saves, and the state is still there.
   */
  async saveDue(at: Pending, saving: Saving): Promise<void> {
    const { config, company, trainer } = this.parts;
    const { updates } = trainer;
    const { save, value, best } = saving;
    const { epoch, endOfEpoch } = at;
    const event = { epoch, endOfEpoch, updates, save, value };
    let isWritten = false;
    const write = async (): Promise<void> => {
      if (isWritten) return;
      const files = await checkpointNames(config.checkpoint.save_dir);
      await this.write(planSave(config.checkpoint, event, best, files), endOfEpoch);
      isWritten = true;
    };
    this.state.best = planSave(config.checkpoint, event, best, []).best;
    // Decided by what is the same on all peers: flags that only the one that saves needs may differ.
    if (save || value !== undefined) await company.ledBy(`save ${updates}`, write);
  }

  /** On a signal: the state as it is, unless it was saved at this very update. */
  async saveLast(endOfEpoch: boolean, saved: boolean): Promise<void> {
    const { checkpoint } = this.parts.config;
    if (checkpoint.no_save || (saved && !checkpoint.no_last_checkpoints)) return;
    if (!this.parts.company.leads) return;
    const plan = { write: [lastCheckpointName(checkpoint)], best: this.state.best };
    await this.write(plan, endOfEpoch);
  }

  /** The end of training, if no checkpoint of this process has it. */
  async saveEnd(): Promise<void> {
    const { config, trainer } = this.parts;
    if (this.savedAt === trainer.updates || config.checkpoint.no_last_checkpoints) return;
    await this.saveLast(false, false);
  }

  /** Saves the present state under a name of its own. */
  async saveAs(name: string): Promise<void> {
    const { config, save } = this.parts;
    await prepareFolder(config.checkpoint.save_dir);
    await save(`${config.checkpoint.save_dir}/${name}`);
  }

  private async write(plan: SavePlan, endOfEpoch: boolean): Promise<void> {
    const { config, log, save, clock, trainer } = this.parts;
    const begun = clock();
    const { written } = await carryOut(
      config.checkpoint.save_dir,
      config.checkpoint,
      plan,
      endOfEpoch,
      save,
    );
    if (written.length === 0) return;
    this.savedAt = trainer.updates;
    const folder = config.checkpoint.save_dir;
    const last = lastCheckpointName(config.checkpoint);
    if (written.includes(last)) this.lastSaved = `${folder}/${last}`;
    const seconds = (clock() - begun).toFixed(1);
    log.info("train", `saved ${written.join(", ")} in ${folder} (${seconds} s)`);
  }
}
