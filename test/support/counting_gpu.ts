// A GPU whose calls are counted: what a step asks of the driver.
import { WebGpuDevice } from "../../src/device/webgpu/webgpu_device.ts";

const COUNTED = [
  ...["createBindGroup", "createBuffer", "createComputePipeline", "createShaderModule"],
  ...["submit", "onSubmittedWorkDone"],
];

/** The GPU with its calls counted by name, its queue's and the mappings of its buffers too. */
function counting<T extends object>(target: T, counts: Map<string, number>): T {
  const count = (name: string): void => void counts.set(name, (counts.get(name) ?? 0) + 1);
  return new Proxy(target, {
    get(object, property) {
      const value: unknown = Reflect.get(object, property, object);
      if (property === "queue") return counting(value as object, counts);
      if (typeof value !== "function") return value;
      return (...parameters: unknown[]) => {
        const name = String(property);
        if (COUNTED.includes(name)) count(name);
        const made: unknown = Reflect.apply(value, object, parameters);
        if (name === "createBuffer") countMappings(made as GPUBuffer, () => count("mapAsync"));
        return made;
      };
    },
  });
}

function countMappings(buffer: GPUBuffer, count: () => void): void {
  const mapAsync = buffer.mapAsync.bind(buffer);
  buffer.mapAsync = (...given) => {
    count();
    return mapAsync(...given);
  };
}

/** A device of its own on the same GPU, and how often which calls were made. */
export function countingDevice({ gpu, facts, provider }: WebGpuDevice): {
  readonly device: WebGpuDevice;
  readonly counts: Map<string, number>;
} {
  const counts = new Map<string, number>();
  return { device: new WebGpuDevice(counting(gpu, counts), facts, provider), counts };
}
