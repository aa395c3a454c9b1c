// A training step of the job's Transformer as jax-js writes it, jitted as a whole, on its wasm device: what
// bench/javascript_peers.ts runs as a process. PACKAGES JOB -> lines of JSON { loss, milliseconds }.
import { join } from "node:path";
import process from "node:process";
import { readJob, reportSteps } from "./javascript_job.ts";

const [packages, folder] = process.argv.slice(2);
const jax = await import(join(packages, "node_modules/@jax-js/jax/dist/index.js"));
const { numpy: np, nn, tree } = jax;
await jax.init("wasm");
jax.defaultDevice("wasm");

const job = readJob(folder);
const { B, S, T, C, V, heads, layers, smoothing, ntokens, lr, betas, epsilon, steps } = job;
const ids = (data, shape) => np.array(data, { dtype: np.int32 }).reshape(shape);
const floats = (data, shape) => np.array(data).reshape(shape);

const linear = (x, p, name) =>
  np.matmul(x, np.matrixTranspose(p[`${name}.weight`].ref)).add(p[`${name}.bias`].ref);

const norm = (x, p, name) =>
  nn.standardize(x).mul(p[`${name}.weight`].ref).add(p[`${name}.bias`].ref);

/** query (B, Q, C), memory (B, K, C), bias broadcast to (B, heads, Q, K). Consumes query and memory. */
function attention(query, memory, p, name, Q, K, bias) {
  const split = (x, length) => x.reshape([B, length, heads, C / heads]);
  const q = split(linear(query, p, `${name}.q_proj`), Q);
  const k = split(linear(memory.ref, p, `${name}.k_proj`), K);
  const v = split(linear(memory, p, `${name}.v_proj`), K);
  const attended = nn.dotProductAttention(q, k, v, { bias: bias.ref });
  return linear(attended.reshape([B, Q, C]), p, `${name}.out_proj`);
}

const feedForward = (x, p, name) => linear(nn.relu(linear(x, p, `${name}.fc1`)), p, `${name}.fc2`);

const embedded = (p, tokens, length, positions) =>
  np
    .take(p["encoder.embed_tokens.weight"].ref, tokens, 0)
    .mul(Math.sqrt(C))
    .add(positions.ref.slice([0, length]));

function loss(p, batch) {
  const { source, previous, target, isWord, positions, sourceMask, targetMask } = batch;
  let memory = embedded(p, source.ref, S, positions);
  for (let i = 0; i < layers; i++) {
    const name = `encoder.layers.${i}`;
    const attended = attention(memory.ref, memory.ref, p, `${name}.self_attn`, S, S, sourceMask);
    memory = norm(memory.add(attended), p, `${name}.self_attn_layer_norm`);
    memory = norm(memory.ref.add(feedForward(memory, p, name)), p, `${name}.final_layer_norm`);
  }
  let x = embedded(p, previous.ref, T, positions);
  for (let i = 0; i < layers; i++) {
    const name = `decoder.layers.${i}`;
    const attended = attention(x.ref, x.ref, p, `${name}.self_attn`, T, T, targetMask);
    x = norm(x.add(attended), p, `${name}.self_attn_layer_norm`);
    const informed = attention(x.ref, memory.ref, p, `${name}.encoder_attn`, T, S, sourceMask);
    x = norm(x.add(informed), p, `${name}.encoder_attn_layer_norm`);
    x = norm(x.ref.add(feedForward(x, p, name)), p, `${name}.final_layer_norm`);
  }
  memory.dispose();
  const weight = np.matrixTranspose(p["encoder.embed_tokens.weight"].ref);
  const logProbabilities = nn.logSoftmax(np.matmul(x.reshape([B * T, C]), weight)); // (B * T, V)
  const share = smoothing / (V - 1);
  const wanted = nn
    .oneHot(target.ref, V)
    .mul(1 - smoothing - share)
    .add(share);
  return logProbabilities
    .mul(wanted)
    .sum(-1)
    .mul(isWord.ref)
    .sum()
    .mul(-1 / ntokens);
}

const step = jax.jit((p, m, v, correction, batch) => {
  const [cost, gradient] = jax.valueAndGrad(loss)(tree.ref(p), batch);
  const [b1, b2] = betas;
  const m2 = tree.map((m, g) => m.mul(b1).add(g.mul(1 - b1)), m, tree.ref(gradient));
  const v2 = tree.map((v, g) => v.mul(b2).add(np.square(g).mul(1 - b2)), v, gradient);
  const rate = correction.ref.slice(0);
  const root = correction.slice(1);
  const p2 = tree.map(
    (p, m, v) => p.sub(m.mul(rate.ref).div(np.sqrt(v).mul(root.ref).add(epsilon))),
    ...[p, tree.ref(m2), tree.ref(v2)],
  );
  return [cost, p2, m2, v2];
});

let p = Object.fromEntries(
  job.parameters.map(({ name, shape, data }) => [name, floats(data, shape)]),
);
let m = tree.map((x) => np.zerosLike(x), tree.ref(p));
let v = tree.map((x) => np.zerosLike(x), tree.ref(p));
const hide = (data, length) =>
  floats(
    Float32Array.from(data, (token) => (token === job.padding ? -1e9 : 0)),
    [B, 1, 1, length],
  );
const ahead = Float32Array.from({ length: T * T }, (_, i) =>
  i % T > Math.floor(i / T) ? -1e9 : 0,
);
const batch = {
  source: ids(job.source, [B, S]),
  previous: ids(job.previous, [B, T]),
  target: ids(job.target, [B * T]),
  isWord: floats(
    Float32Array.from(job.target, (token) => Number(token !== job.padding)),
    [B * T],
  ),
  positions: floats(job.positions, [Math.max(S, T), C]),
  sourceMask: hide(job.source, S),
  targetMask: hide(job.previous, T).add(floats(ahead, [1, 1, T, T])),
};
let updates = 0;
await reportSteps(steps, async () => {
  updates++;
  const correction = np.array([
    lr / (1 - betas[0] ** updates),
    1 / Math.sqrt(1 - betas[1] ** updates),
  ]);
  const [cost, ...state] = step(p, m, v, correction, tree.ref(batch));
  [p, m, v] = state;
  await jax.blockUntilReady(tree.ref(p));
  return (await cost.data())[0];
});
process.exit(0);
