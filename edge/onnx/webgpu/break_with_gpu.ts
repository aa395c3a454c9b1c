/**
 * Has the thread break down when its GPU is lost, because ONNX Runtime cannot be used after that, or refuses a
 * command, because what it computes from then on is nothing to rely on: whoever began the thread hears of it, and
 * may begin another.
 */
export function breakWithGpu(device: GPUDevice): void {
  const breakDown = (problem: string, message: string): void => {
    // Thrown in a task of its own: a thread does not break down by a promise everywhere.
    setTimeout(() => {
      throw new Error(`${problem}${message ? `: ${message}` : ""}`);
    });
  };
  device.addEventListener("uncapturederror", ({ error }) =>
    breakDown("the GPU refused a command", error.message),
  );
  void device.lost.then(({ message }) => breakDown("the GPU was lost", message));
}
