// Dawn's extension chromium_experimental_subgroup_matrix, in both spellings that it has had.
import type { SubgroupMatrix } from "./op.ts";

/** How a matrix lies in memory: its rows or its columns one after the other. */
export type Layout = "row_major" | "col_major";

/**
 * What stands at the head of a text, the parameter of its entry point, and the statement that names `own`,
 * the number of the lane's subgroup. Older Dawns have no built-in for it and do not see that a quotient of
 * lanes is the same for all of a subgroup.
 */
export const subgroupNumber = ({
  layout,
}: SubgroupMatrix): {
  readonly directives: string;
  readonly parameter: string;
  readonly statement: string;
} => {
  const extensions =
    "enable f16;\nenable subgroups;\nenable chromium_experimental_subgroup_matrix;\n";
  return layout === "parameter"
    ? { directives: extensions, parameter: "@builtin(subgroup_id) own: u32", statement: "" }
    : {
        directives: `${extensions}diagnostic(off, chromium.subgroup_matrix_uniformity);\n`,
        parameter: "@builtin(subgroup_size) width: u32",
        statement: "let own = lane / width;",
      };
};

type Side = "left" | "right" | "result";

/** The type of one side; WGSL counts columns first. */
export function matrixType(side: Side, { M, N, K }: SubgroupMatrix): string {
  if (side === "left") return `subgroup_matrix_left<f16, ${K}, ${M}>`;
  if (side === "right") return `subgroup_matrix_right<f16, ${N}, ${K}>`;
  return `subgroup_matrix_result<f32, ${N}, ${M}>`;
}

/** An expression: the operand at `offset` of an array of f16; all lanes of a subgroup must come here. */
export function loadMatrix(
  matrix: SubgroupMatrix,
  side: "left" | "right",
  array: string,
  offset: string,
  layout: Layout,
  stride: number,
): string {
  const type = matrixType(side, matrix);
  return matrix.layout === "parameter"
    ? `subgroupMatrixLoad<${type}, ${layout}>(&${array}, ${offset}, ${stride}u)`
    : `subgroupMatrixLoad<${type}>(&${array}, ${offset}, ${layout === "col_major"}, ${stride}u)`;
}

/** A statement: sums to `offset` of an array of f32, row by row. */
export const storeSums = (
  { layout }: SubgroupMatrix,
  array: string,
  offset: string,
  sums: string,
  stride: number,
): string =>
  layout === "parameter"
    ? `subgroupMatrixStore<row_major>(&${array}, ${offset}, ${sums}, ${stride}u);`
    : `subgroupMatrixStore(&${array}, ${offset}, ${sums}, false, ${stride}u);`;

/** A statement: sums += left right. */
export const multiplyAdd = (left: string, right: string, sums: string): string =>
  `${sums} = subgroupMatrixMultiplyAccumulate(${left}, ${right}, ${sums});`;
