// From the flags of generate to the options of the search.
import type { GenerationConfig } from "../config/schemas/generation.ts";
import { UserError } from "../config/user_error.ts";
import { beamSearch } from "../decode/search/beam.ts";
import { diverseGroupSearch } from "../decode/search/diverse_groups.ts";
import { diverseSiblingSearch } from "../decode/search/diverse_siblings.ts";
import { seededDraw } from "../decode/search/draw.ts";
import { lengthConstrainedSearch } from "../decode/search/length_constrained.ts";
import { lexicallyConstrainedSearch } from "../decode/search/lexically_constrained.ts";
import { sampling } from "../decode/search/sampling.ts";
import type { SearchStrategy } from "../decode/search/strategy.ts";
import type { GeneratorOptions } from "../decode/sequence_generator.ts";

/** The flags that decide about hypotheses. */
export type SearchFlags = GenerationConfig;

/**
 * @param seed of sampling.
 * @throws UserError for flags that exclude each other.
 */
export function searchOptions(config: SearchFlags, seed: number): Partial<GeneratorOptions> {
  return {
    beam: config.beam,
    maxLenA: config.max_len_a,
    maxLenB: config.max_len_b,
    minLen: config.min_len,
    normalizeScores: !config.unnormalized,
    lenpen: config.lenpen,
    unkpen: config.unkpen,
    temperature: config.temperature,
    matchSourceLen: config.match_source_len,
    noRepeatNgramSize: config.no_repeat_ngram_size,
    attention: config.print_alignment !== undefined || config.replace_unk !== undefined,
    strategy: searchStrategy(config, seed),
  };
}

/** The strategy that the flags name; plain beam search if none does. */
function searchStrategy(config: SearchFlags, seed: number): SearchStrategy {
  refuseWithoutSampling("--sampling-topk", config.sampling_topk, config.sampling);
  refuseWithoutSampling("--sampling-topp", config.sampling_topp, config.sampling);
  const wanted: [flag: string, build: () => SearchStrategy][] = [];
  if (config.sampling) wanted.push(["--sampling", () => samplingSearch(config, seed)]);
  if (config.diverse_beam_groups > 0) {
    const { diverse_beam_groups: groups, diverse_beam_strength: strength } = config;
    wanted.push(["--diverse-beam-groups", () => diverseGroupSearch(groups, strength)]);
  }
  if (config.match_source_len) {
    wanted.push(["--match-source-len", () => lengthConstrainedSearch()]);
  }
  // As in fairseq the default -1 is off, and 0 on: the same search by another way.
  if (config.diversity_rate > -1) {
    wanted.push(["--diversity-rate", () => diverseSiblingSearch(config.diversity_rate)]);
  }
  const { constraints } = config;
  if (constraints) wanted.push(["--constraints", () => lexicallyConstrainedSearch(constraints)]);
  if (wanted.length > 1) {
    throw new UserError({
      place: wanted.map(([flag]) => flag).join(", "),
      problem: "are different ways to search",
      remedy: "give one of them",
    });
  }
  return wanted.length === 0 ? beamSearch : wanted[0][1]();
}

function samplingSearch(config: SearchFlags, seed: number): SearchStrategy {
  const { sampling_topk: topK, sampling_topp: topP } = config;
  return sampling({ topK, topP, draw: seededDraw(seed) });
}

function refuseWithoutSampling(flag: string, value: number, isSampling: boolean): void {
  if (value < 0 || isSampling) return;
  throw new UserError({
    place: `${flag} ${value}`,
    problem: "says what to draw from, but nothing is drawn",
    remedy: "add --sampling",
  });
}
