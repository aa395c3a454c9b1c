/**
 * Has the thread break down when its GPU is lost, because ONNX Runtime cannot be used after that: whoever
 * began the thread hears of it, and may begin another.
 */
export function breakWithGpu(device: GPUDevice): void {
  void device.lost.then(({ message }) => {
    // Thrown in a task of its own: a thread does not break down by a promise everywhere.
    setTimeout(() => {
      throw new Error(`the GPU was lost${message ? `: ${message}` : ""}`);
    });
  });
}
