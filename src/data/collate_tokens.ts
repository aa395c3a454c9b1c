/** Rows of equal width: data[row * shape[1] + column]. */
export interface TokenMatrix {
  data: Int32Array;
  shape: [rows: number, columns: number];
}

export interface CollateTokensOptions {
  pad: number;
  /** Padding goes before the tokens instead of after. */
  leftPad?: boolean;
  /** Write `eos` first and drop each sequence's last token: the decoder's input. */
  moveEosToBeginning?: boolean;
  /** With moveEosToBeginning; each sequence's own last token where not given. */
  eos?: number;
  /** Least width. */
  padToLength?: number;
  /** The width is a multiple of this. */
  padToMultiple?: number;
  /** Least number of rows; further rows are padding alone. */
  padToRows?: number;
}

/** Lays sequences of different lengths into one matrix: (B, longest), padded. */
export function collateTokens(
  sequences: readonly Int32Array[],
  options: CollateTokensOptions,
): TokenMatrix {
  const { pad, leftPad = false, moveEosToBeginning = false, eos } = options;
  const { padToLength = 0, padToMultiple = 1, padToRows = 0 } = options;
  let width = padToLength;
  for (const sequence of sequences) width = Math.max(width, sequence.length);
  width = Math.ceil(width / padToMultiple) * padToMultiple;
  const rows = Math.max(sequences.length, padToRows);
  const data = new Int32Array(rows * width).fill(pad);
  for (const [row, sequence] of sequences.entries()) {
    const start = row * width + (leftPad ? width - sequence.length : 0);
    if (!moveEosToBeginning) {
      data.set(sequence, start);
    } else if (sequence.length > 0) {
      data[start] = eos ?? sequence[sequence.length - 1] ?? pad;
      data.set(sequence.subarray(0, -1), start + 1);
    }
  }
  return { data, shape: [rows, width] };
}
