const VALIDATED = "leave it out: it is of validations, in weft train and weft validate";

// Flags that stand in many of fairseq's recipes and have no counterpart here, each with what to do.
const remedies: Readonly<Record<string, string>> = {
  "--user-dir": "use --plugin FILE: an ES module whose default export receives the registries",
  "--num-workers": "leave it out: batches are collated as they are needed",
  "--data-buffer-size": "leave it out: batches are collated as they are needed",
  "--ddp-backend": "leave it out: this command trains in one process",
  "--distributed-port": "leave it out: this command trains in one process",
  "--find-unused-parameters": "leave it out: parameters without a gradient are always skipped",
  "--load-alignments": "leave it out: no criterion here learns from alignments",
  "--encoder-embed-path": "leave it out: embeddings are not read from text files",
  "--decoder-embed-path": "leave it out: embeddings are not read from text files",
  "--tensorboard-logdir": "use --log-format json and --log-file FILE",
  "--distributed-world-size": "leave it out: this command trains in one process",
  "--optimizer-overrides": "leave it out: the optimizer's flags of this run always hold",
  "--fixed-validation-seed": "leave it out: validation draws no random numbers",
  "--no-early-stop": "leave it out: it does nothing in fairseq either",
  "--no-beamable-mm": "leave it out: it does nothing in fairseq either",
  "--use-old-adam": "leave it out: there is one adam here",
  "--raw-text": "leave it out, or write --dataset-impl raw",
  "--lazy-load": "leave it out: data is always read as needed",
  "--fp16": "leave it out: this command computes in float32",
  "--memory-efficient-fp16": "leave it out: this command computes in float32",
  "--fp16-no-flatten-grads": "leave it out: gradients are always flat",
  "--on-cpu-convert-precision": "leave it out: precision is converted where the numbers lie",
  "--amp": "use weft train --fp16, which keeps f32 weights and scales losses too",
  "--bf16": "leave it out: WebGPU has no bfloat16; weft train has --fp16",
  // Flags of some commands that others lack.
  "--eval-bleu": VALIDATED,
  "--eval-bleu-args": VALIDATED,
  "--eval-bleu-detok": VALIDATED,
  "--eval-bleu-remove-bpe": VALIDATED,
  "--eval-bleu-print-samples": VALIDATED,
  "--eval-tokenized-bleu": VALIDATED,
  "--log-format": "leave it out: this command's messages are plain lines on stderr",
  "--log-interval": "leave it out: this command's messages are plain lines on stderr",
  "--log-file": "redirect stderr: 2> FILE",
};

/** What to do instead of a flag of fairseq's that weft has not, or undefined. */
export function retiredFlag(flag: string): string | undefined {
  return Object.hasOwn(remedies, flag) ? remedies[flag] : undefined;
}
