import { TemporaryFailure } from "../config/temporary_failure.ts";

/** The device is gone: a driver reset, an unplugged adapter, a kernel that ran too long. */
export class DeviceLostError extends TemporaryFailure {
  /** What happened, without advice. */
  readonly what: string;

  /** @param reason what the driver says. */
  constructor(
    readonly adapter: string,
    reason: string,
  ) {
    const what = `the device ${adapter} was lost (${reason.replace(/\.$/, "") || "no reason given"})`;
    super({
      place: "--device webgpu",
      problem: `${what}, and with it all that lay on it`,
      remedy: "run the command again; if it happens again, the driver's log may tell why",
    });
    this.name = "DeviceLostError";
    this.what = what;
  }
}
