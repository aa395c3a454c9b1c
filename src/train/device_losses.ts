// What becomes of a training whose GPU is lost: one error that names the last checkpoint, or the run goes
// on from it on a device that is opened anew.
import { basename } from "node:path";
import type { CheckpointConfig } from "../config/schemas/checkpoint.ts";
import type { DeviceConfig } from "../config/schemas/device.ts";
import type { EmaConfig } from "../config/schemas/ema.ts";
import { TemporaryFailure } from "../config/temporary_failure.ts";
import { UserError } from "../config/user_error.ts";
import type { Device } from "../device/device.ts";
import type { DeviceLostError } from "../device/device_lost_error.ts";

/** Restarts in a row from one and the same place. */
const FRUITLESS_RESTARTS = 3;

/** A driver that resets its GPU needs a moment before the next try. */
const PAUSE_MILLISECONDS = 2000;

/** The sections of the configuration that say how an attempt begins. */
export interface AttemptConfig {
  readonly checkpoint: CheckpointConfig;
  readonly ema: EmaConfig;
  readonly device: DeviceConfig;
}

/** A checkpoint that a run can go on from. */
export interface LastCheckpoint {
  readonly path: string;
  /** Updates that it holds. */
  readonly updates: number;
}

/** What is asked of a run when its device is lost. */
export interface InterruptedRun {
  /** Updates made so far. */
  readonly updates: number;
  /** undefined before this attempt has saved one. */
  readonly lastCheckpoint: LastCheckpoint | undefined;
}

export class DeviceLosses {
  private run: InterruptedRun | undefined;
  private last: LastCheckpoint | undefined;
  private fruitless = 0;
  private losses = 0;

  /** @param say hears of restarts. @throws UserError if peers go on without this one anyway. */
  constructor(
    private readonly restarts: boolean,
    hasPeers: boolean,
    private readonly say: (line: string) => void,
  ) {
    if (!restarts || !hasPeers) return;
    throw new UserError({
      place: "--restart-on-device-loss",
      problem: "is for a process that trains alone: peers go on without one whose device is lost",
      remedy: "leave the flag out, and let the launcher start such a peer again to join the others",
    });
  }

  /** From now on this is the run whose device may be lost. */
  follow(run: InterruptedRun): void {
    this.run = run;
  }

  /** How the next attempt begins: as it was told at first, later where the last checkpoint stands. */
  attempt<Config extends AttemptConfig>(given: Config): Config {
    if (this.losses === 0) return given;
    const { device } = given.device;
    // Without its GPU the run must not go on a hundred times slower on the cpu.
    const again = {
      ...given,
      device: { ...given.device, device: device === "auto" ? "webgpu" : device },
    };
    if (!this.last) return again;
    return {
      ...again,
      ema: { ...given.ema, ema_seed_model: undefined },
      checkpoint: {
        ...given.checkpoint,
        restore_file: basename(this.last.path),
        finetune_from_model: undefined,
        reset_dataloader: false,
        reset_lr_scheduler: false,
        reset_meters: false,
        reset_optimizer: false,
      },
    };
  }

  /** Opens the device of the next attempt; after a loss it may take some tries. */
  async open(open: () => Promise<Device>): Promise<Device> {
    for (;;) {
      try {
        return await open();
      } catch (error) {
        if (this.losses === 0 || ++this.fruitless > FRUITLESS_RESTARTS) throw error;
        this.say(`the device does not open again yet: ${(error as Error).message}`);
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MILLISECONDS));
      }
    }
  }

  /**
   * After an attempt has failed: returns if there is to be another one.
   *
   * @throws TemporaryFailure if the device was lost and that is the end; `error` itself if it was not.
   */
  async settle(error: unknown, device: Device): Promise<void> {
    const loss = await device.loss?.();
    if (!loss) throw error;
    this.losses++;
    const saved = this.run?.lastCheckpoint;
    const isForward = saved !== undefined && saved.updates > (this.last?.updates ?? 0);
    this.fruitless = isForward ? 0 : this.fruitless + 1;
    this.last = saved ?? this.last;
    if (!this.restarts || this.fruitless > FRUITLESS_RESTARTS) throw this.end(loss);
    const from = this.last ? `${this.last.path}, update ${this.last.updates}` : "where it began";
    this.say(
      `${loss.what} after update ${this.run?.updates ?? 0}: opening it again, going on from ${from}`,
    );
  }

  private end(loss: DeviceLostError): TemporaryFailure {
    const { last, restarts } = this;
    const again = restarts
      ? `; ${FRUITLESS_RESTARTS} restarts in a row brought the run no further`
      : "";
    return new TemporaryFailure({
      place: "--device webgpu",
      problem: `${loss.what} after update ${this.run?.updates ?? 0}${again}`,
      remedy: last
        ? `${last.path} holds update ${last.updates}: go on from it with --restore-file ${last.path}${restarts ? "" : ", or let --restart-on-device-loss do so"}`
        : `no checkpoint was saved: begin again, with --save-interval-updates N to lose less${restarts ? "" : ", and with --restart-on-device-loss to go on by itself"}`,
    });
  }
}
