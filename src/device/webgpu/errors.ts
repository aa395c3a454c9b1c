// WebGPU reports errors later and elsewhere. This turns them into exceptions that name the op.
import { DeviceLostError } from "../device_lost_error.ts";

/** The GPU refused what an op asked for: a fault in a kernel or in how it was bound. */
export class GpuError extends Error {
  constructor(what: string, message: string) {
    super(`webgpu: ${what}: ${message}`);
    this.name = "GpuError";
  }
}

/** How long the news of a loss may take behind its first consequence. */
const PATIENCE_MILLISECONDS = 500;

/** Keeps the first failure of a device and throws it at every later use. */
export class ErrorWatch {
  private failure: Error | undefined;
  /** What follows from a failure in a scope often arrives before it, and names nothing. */
  private consequence: Error | undefined;
  private readonly open = new Set<Promise<void>>();
  /** Set by close(): the loss that follows is our own doing. */
  private closed = false;
  private readonly news: Promise<DeviceLostError | undefined>;

  constructor(
    private readonly device: GPUDevice,
    adapter: string,
  ) {
    this.news = device.lost.then(({ message }) => {
      if (this.closed) return undefined;
      const loss = new DeviceLostError(adapter, message);
      // Whatever was noticed before is more likely its consequence than its cause.
      this.failure = loss;
      return loss;
    });
    device.onuncapturederror = ({ error }) => {
      this.consequence ??= new GpuError("a command failed", error.message);
    };
  }

  /**
   * Runs `make`; what the GPU finds wrong with it is thrown later, under the name `what`. Not for
   * hundreds of calls in one turn: bun-webgpu keeps room for 1,024 unanswered questions.
   */
  guard<Made>(what: string, filter: GPUErrorFilter, make: () => Made): Made {
    this.device.pushErrorScope(filter);
    try {
      return make();
    } finally {
      this.collect(what, this.device.popErrorScope());
    }
  }

  /** Throws the failure that is known by now. */
  check(): void {
    const failure = this.failure ?? this.consequence;
    if (failure) throw failure;
  }

  /** Throws the cause of a refusal that the device answered with; `refusal` if none turns up. */
  async explain(refusal: unknown): Promise<never> {
    await this.loss();
    await this.settled();
    throw refusal;
  }

  /**
   * The loss of the device, if it is lost. To be asked after something failed on it: the loss is told by
   * another event than the refusals that follow from it, perhaps a moment later.
   */
  async loss(): Promise<DeviceLostError | undefined> {
    const patience = new Promise<undefined>((resolve) => {
      setTimeout(resolve, PATIENCE_MILLISECONDS);
    });
    return await Promise.race([this.news, patience]);
  }

  /** From now on the device may end without that being a failure. */
  close(): void {
    this.closed = true;
  }

  /** Waits for the answers that are under way, then throws the failure if there is one. */
  async settled(): Promise<void> {
    while (this.open.size > 0) await Promise.all(this.open);
    this.check();
  }

  private collect(what: string, scope: Promise<GPUError | null>): void {
    const answer = scope
      .then((error) => {
        if (error) this.failure ??= new GpuError(what, error.message);
      })
      // A scope of a lost device is refused; `lost` tells the reason.
      .catch(() => undefined)
      .finally(() => this.open.delete(answer));
    this.open.add(answer);
  }
}
