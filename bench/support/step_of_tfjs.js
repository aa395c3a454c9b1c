// A training step of the job's Transformer as TensorFlow.js writes it, on its wasm backend: what
// bench/javascript_peers.ts runs as a process. PACKAGES JOB -> lines of JSON { loss, milliseconds }.
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import process from "node:process";
import { readJob, reportSteps } from "./javascript_job.ts";

const [packages, folder] = process.argv.slice(2);
const require = createRequire(join(packages, "package.json"));
const tf = require("@tensorflow/tfjs");
const wasm = require("@tensorflow/tfjs-backend-wasm");
wasm.setWasmPaths(
  `${dirname(require.resolve("@tensorflow/tfjs-backend-wasm/package.json"))}/wasm-out/`,
);
await tf.setBackend("wasm");

const job = readJob(folder);
const { B, S, T, C, V, heads, layers, smoothing, ntokens, lr, betas, epsilon, steps } = job;
const parameters = Object.fromEntries(
  job.parameters.map(({ name, shape, data }) => [name, tf.variable(tf.tensor(data, shape))]),
);
const at = (name) => parameters[name];
const ids = (data, length) => tf.tensor1d(data.slice(0, B * length), "int32");
const [source, previous, target] = [ids(job.source, S), ids(job.previous, T), ids(job.target, T)];
const positions = tf.tensor(job.positions, [Math.max(S, T), C]);

/** Its own gradient of gather needs a kernel that the wasm backend has not: scatterND adds rows as well. */
const embed = tf.customGrad((weight, tokens, save) => {
  save([tokens]);
  const gradFunc = (dy, [tokens]) => [
    tf.scatterND(tf.expandDims(tokens, 1), dy, [V, C]),
    tf.zerosLike(tokens),
  ];
  return { value: tf.gather(weight, tokens), gradFunc };
});

/** -1e9 where a key is padding (B, 1, 1, keys), and where it lies ahead (1, 1, T, T). */
const padding = (data, length) =>
  tf.tensor(
    Float32Array.from(data, (token) => (token === job.padding ? -1e9 : 0)),
    [B, 1, 1, length],
  );
const sourceMask = padding(job.source, S);
const targetMask = tf.tidy(() => {
  const ahead = Float32Array.from({ length: T * T }, (_, i) =>
    i % T > Math.floor(i / T) ? -1e9 : 0,
  );
  return tf.add(padding(job.previous, T), tf.tensor(ahead, [1, 1, T, T]));
});

/** a b. Its own gradient multiplies transposed operands, for which the backend has only slow loops. */
const product = tf.customGrad((a, b, save) => {
  save([a, b]);
  const gradFunc = (dy, [a, b]) => [tf.matMul(dy, tf.transpose(b)), tf.matMul(tf.transpose(a), dy)];
  return { value: tf.matMul(a, b), gradFunc };
});

const linear = (x, name) =>
  tf.add(product(x, tf.transpose(at(`${name}.weight`))), at(`${name}.bias`));

function norm(x, name) {
  const { mean, variance } = tf.moments(x, -1, true);
  const normal = tf.mul(tf.sub(x, mean), tf.rsqrt(tf.add(variance, 1e-5)));
  return tf.add(tf.mul(normal, at(`${name}.weight`)), at(`${name}.bias`));
}

/** query (B * Q, C), memory (B * K, C) -> (B * Q, C). */
function attention(query, memory, name, Q, K, mask) {
  const split = (x, length) =>
    tf.transpose(tf.reshape(x, [B, length, heads, C / heads]), [0, 2, 1, 3]);
  const q = split(tf.mul(linear(query, `${name}.q_proj`), (C / heads) ** -0.5), Q);
  const k = split(linear(memory, `${name}.k_proj`), K);
  const v = split(linear(memory, `${name}.v_proj`), K);
  const weights = tf.softmax(tf.add(tf.matMul(q, k, false, true), mask)); // (B, heads, Q, K)
  const attended = tf.transpose(tf.matMul(weights, v), [0, 2, 1, 3]);
  return linear(tf.reshape(attended, [B * Q, C]), `${name}.out_proj`);
}

const feedForward = (x, name) => linear(tf.relu(linear(x, `${name}.fc1`)), `${name}.fc2`);

function embedded(tokens, length) {
  const words = tf.mul(embed(at("encoder.embed_tokens.weight"), tokens), Math.sqrt(C));
  const places = tf.slice(positions, [0, 0], [length, C]);
  return tf.reshape(tf.add(tf.reshape(words, [B, length, C]), places), [B * length, C]);
}

function loss() {
  let memory = embedded(source, S);
  for (let i = 0; i < layers; i++) {
    const name = `encoder.layers.${i}`;
    const attended = attention(memory, memory, `${name}.self_attn`, S, S, sourceMask);
    memory = norm(tf.add(memory, attended), `${name}.self_attn_layer_norm`);
    memory = norm(tf.add(memory, feedForward(memory, name)), `${name}.final_layer_norm`);
  }
  let x = embedded(previous, T);
  for (let i = 0; i < layers; i++) {
    const name = `decoder.layers.${i}`;
    const attended = attention(x, x, `${name}.self_attn`, T, T, targetMask);
    x = norm(tf.add(x, attended), `${name}.self_attn_layer_norm`);
    const informed = attention(x, memory, `${name}.encoder_attn`, T, S, sourceMask);
    x = norm(tf.add(x, informed), `${name}.encoder_attn_layer_norm`);
    x = norm(tf.add(x, feedForward(x, name)), `${name}.final_layer_norm`);
  }
  const logits = product(x, tf.transpose(at("encoder.embed_tokens.weight"))); // (B * T, V)
  const logProbabilities = tf.logSoftmax(logits);
  const share = smoothing / (V - 1);
  const wanted = tf.add(tf.mul(tf.oneHot(target, V), 1 - smoothing - share), share);
  const isWord = tf.cast(tf.notEqual(target, job.padding), "float32");
  const gains = tf.sum(tf.mul(logProbabilities, wanted), -1); // (B * T)
  return tf.div(tf.sum(tf.mul(gains, isWord)), -ntokens);
}

const optimizer = tf.train.adam(lr, betas[0], betas[1], epsilon);
await reportSteps(steps, async () => {
  const cost = optimizer.minimize(() => loss(), true);
  const [value] = await cost.data();
  cost.dispose();
  return value;
});
process.exit(0);
