import { joinerTokenizer } from "./joiner_tokenizer.ts";
import { spaceTokenizer, type Tokenizer } from "./space_tokenizer.ts";

/** What `--tokenizer` may say. */
export const tokenizers = {
  space: spaceTokenizer,
  joiner: joinerTokenizer,
} as const satisfies Record<string, Tokenizer>;
