// Loaded before weft (bun --preload): the first devices that are opened are lost in the midst of training, as if
// the driver had reset them. WEFT_TEST_LOSSES="5 3": two devices, the one while it computes its fifth gradients,
// the other its third.
import process from "node:process";
import type { AdapterWish, Provider } from "../../src/device/webgpu/provider.ts";
import { isUnavailable, providers } from "../../src/device/webgpu/provider.ts";

const losses = (process.env.WEFT_TEST_LOSSES ?? "").split(" ").map(Number);

/** The same provider, whose next device is lost at its time. */
const losing = (provider: Provider): Provider => ({
  name: provider.name,
  async open(listedOnly) {
    const opened = await provider.open(listedOnly);
    if (isUnavailable(opened)) return opened;
    return {
      nativeFacts: (adapter) => opened.nativeFacts(adapter),
      discard: (remains) => opened.discard(remains),
      async requestAdapter(wish: AdapterWish) {
        const adapter = await opened.requestAdapter(wish);
        if (adapter) loseDevicesOf(adapter);
        return adapter;
      },
    };
  },
});

function loseDevicesOf(adapter: GPUAdapter): void {
  const request = adapter.requestDevice.bind(adapter);
  adapter.requestDevice = async (descriptor) => {
    const device = await request(descriptor);
    const left = losses.shift();
    if (left !== undefined) loseAfter(device, left);
    return device;
  };
}

function loseAfter(device: GPUDevice, gradients: number): void {
  const { queue } = device;
  const submit = queue.submit.bind(queue);
  const createCommandEncoder = device.createCommandEncoder.bind(device);
  let left = gradients;
  device.createCommandEncoder = (descriptor) => {
    if (descriptor?.label === "gradients") left--;
    return createCommandEncoder(descriptor);
  };
  queue.submit = (commands) => {
    submit(commands);
    if (left === 0) device.destroy();
  };
}

const changeable = providers as Provider[];
changeable.splice(0, changeable.length, ...providers.map(losing));
