// WebGPU reports errors later and elsewhere. This turns them into exceptions that name the op.

/** The GPU refused what an op asked for: a fault in a kernel or in how it was bound. */
export class GpuError extends Error {
  constructor(what: string, message: string) {
    super(`webgpu: ${what}: ${message}`);
    this.name = "GpuError";
  }
}

/** The device is gone: a driver reset, an unplugged adapter, a kernel that ran too long. */
export class DeviceLostError extends Error {
  constructor(adapter: string, message: string) {
    super(
      `webgpu: the device ${adapter} was lost (${message || "no reason given"}); ` +
        "nothing on it can be read any more. Start again from the last checkpoint",
    );
    this.name = "DeviceLostError";
  }
}

/** Keeps the first failure of a device and throws it at every later use. */
export class ErrorWatch {
  private failure: Error | undefined;
  /** What follows from a failure in a scope often arrives before it, and names nothing. */
  private consequence: Error | undefined;
  private readonly open = new Set<Promise<void>>();

  constructor(
    private readonly device: GPUDevice,
    adapter: string,
  ) {
    device.lost.then(({ reason, message }) => {
      // "destroyed" is our own close().
      if (reason !== "destroyed") this.failure ??= new DeviceLostError(adapter, message);
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
    // The loss of a device is told by another event than the refusals that follow from it.
    await new Promise((resolve) => setTimeout(resolve, 10));
    await this.settled();
    throw refusal;
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
