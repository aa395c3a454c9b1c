import { draw } from "./elements.ts";

/** Side of a cell, in pixels. */
const CELL = 20;
/** About the width of a letter of a label. */
const LETTER = 7.5;
/** Fainter weights are not drawn: long sentences have thousands, and nobody sees them. */
const FAINTEST = 0.02;

/**
 * A grid of source pieces (columns) by output pieces (rows), the darker the more attention.
 *
 * @param weights (T, S)
 */
export function attentionPicture(
  source: readonly string[],
  output: readonly string[],
  weights: readonly (readonly number[])[],
): SVGSVGElement {
  const left = labelRoom(output);
  const top = labelRoom(source);
  const [width, height] = [source.length * CELL, output.length * CELL];
  const columns = source.map((piece, s) => {
    const x = left + (s + 0.7) * CELL;
    return draw("text", { transform: `translate(${x} ${top - 6}) rotate(-90)` }, piece);
  });
  const rows = output.map((piece, t) => {
    const y = top + (t + 0.7) * CELL;
    return draw("text", { x: left - 6, y, "text-anchor": "end" }, piece);
  });
  const cells = weights.flatMap((row, t) =>
    row.flatMap((weight, s) =>
      weight < FAINTEST
        ? []
        : draw(
            "rect",
            {
              class: "weight",
              x: left + s * CELL + 1,
              y: top + t * CELL + 1,
              ...{ width: CELL - 2, height: CELL - 2, "fill-opacity": weight.toFixed(3) },
            },
            draw("title", {}, `${output[t]} looked at ${source[s]}: ${weight.toFixed(2)}`),
          ),
    ),
  );
  return draw(
    "svg",
    {
      width: left + width + 2,
      height: top + height + 2,
      role: "img",
      "aria-label": summary(source, output, weights),
    },
    draw("rect", { class: "frame", x: left, y: top, width, height }),
    ...columns,
    ...rows,
    ...cells,
  );
}

const labelRoom = (pieces: readonly string[]): number =>
  12 + LETTER * Math.max(...pieces.map((piece) => piece.length));

/** The picture in words: where each piece looked most. */
function summary(
  source: readonly string[],
  output: readonly string[],
  weights: readonly (readonly number[])[],
): string {
  const most = weights.map((row, t) => `${output[t]}: ${source[row.indexOf(Math.max(...row))]}`);
  return `Each piece of the output, and what it looked at most: ${most.join("; ")}`;
}
