const ANSWER = 42;

/** False for adapters that take every command and do none: drivers of that kind exist for tests. */
export async function doesCompute(device: GPUDevice): Promise<boolean> {
  const module = device.createShaderModule({
    code: `
      @group(0) @binding(0) var<storage, read_write> answer: array<u32>;
      @compute @workgroup_size(1) fn main() { answer[0] = ${ANSWER}u; }`,
  });
  const pipeline = device.createComputePipeline({ layout: "auto", compute: { module } });
  const { STORAGE, COPY_SRC, COPY_DST, MAP_READ } = GPUBufferUsage;
  const written = device.createBuffer({ size: 4, usage: STORAGE | COPY_SRC });
  const read = device.createBuffer({ size: 4, usage: COPY_DST | MAP_READ });
  const group = device.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: [{ binding: 0, resource: { buffer: written } }],
  });
  const commands = device.createCommandEncoder();
  const pass = commands.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, group);
  pass.dispatchWorkgroups(1);
  pass.end();
  commands.copyBufferToBuffer(written, 0, read, 0, 4);
  device.queue.submit([commands.finish()]);
  await read.mapAsync(GPUMapMode.READ);
  const [answer] = new Uint32Array(read.getMappedRange());
  read.destroy();
  written.destroy();
  return answer === ANSWER;
}
