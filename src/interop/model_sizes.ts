// What a checkpoint says about its model against the tensors in it. A model is built before weights
// are read into it, so sizes that nobody can have meant must be found before that.
import { UserError } from "../config/user_error.ts";

/** One side of a Transformer, as the settings have it. */
export interface ClaimedSide {
  readonly layers: number;
  readonly embedDim: number;
  readonly ffnEmbedDim: number;
  readonly learnedPositions: boolean;
  readonly maxPositions: number;
}

/** Rows of sinusoids are computed, not stored: no tensor bounds them. fairseq's models have thousands. */
const MOST_POSITIONS = 2 ** 18;

type Shapes = ReadonlyMap<string, { readonly shape: readonly number[] }>;

/**
 * @param tensors those of the layers that are kept, by today's names.
 * @param padding positions are counted from behind it.
 * @throws UserError naming `place` and the setting that does not fit its tensors.
 */
export function refuseWrongSizes(
  side: "encoder" | "decoder",
  claimed: ClaimedSide,
  tensors: Shapes,
  padding: number,
  place: string,
): void {
  const positions = side === "encoder" ? "max_source_positions" : "max_target_positions";
  const { layers, embedDim, ffnEmbedDim, learnedPositions, maxPositions } = claimed;
  const rows = learnedPositions
    ? tensors.get(`${side}.embed_positions.weight`)?.shape[0]
    : undefined;
  const size = (name: string) => tensors.get(`${side}.layers.0.${name}.weight`)?.shape[0];
  for (const [setting, value, held] of [
    [`${side}_layers`, layers, layerNumbers(tensors.keys(), side).size],
    [`${side}_embed_dim`, embedDim, size("self_attn.q_proj")],
    [`${side}_ffn_embed_dim`, ffnEmbedDim, size("fc1")],
    [positions, maxPositions, rows === undefined ? undefined : rows - padding - 1],
  ] as const) {
    if (held === undefined || value === held) continue;
    throw new UserError({
      place: `${place}: ${setting}`,
      problem: `is ${value}, but the file's tensors have ${held}`,
      remedy: setting.endsWith("_layers")
        ? `the file is damaged, or --model-overrides is; to leave layers out, override ${setting}_to_keep`
        : "the file is damaged, or --model-overrides is",
    });
  }
  if (maxPositions <= MOST_POSITIONS) return;
  throw new UserError({
    place: `${place}: ${positions}`,
    problem: `is ${maxPositions}, more than the ${MOST_POSITIONS} that are computed`,
    remedy: `lower it: --model-overrides "{'${positions}': 1024}"`,
  });
}

/** Numbers of the layers that parameters of these names belong to. */
export function layerNumbers(names: Iterable<string>, side: "encoder" | "decoder"): Set<number> {
  const pattern = new RegExp(`^${side}\\.layers\\.(\\d+)\\.`);
  return new Set([...names].flatMap((name) => pattern.exec(name)?.[1] ?? []).map(Number));
}
