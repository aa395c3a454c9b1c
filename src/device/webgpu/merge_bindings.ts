// Two bindings of a kernel may be the same memory: add(x, x), or a result that takes its operand's
// place. WebGPU refuses to bind writable memory twice, so the kernel's text is changed to have one
// name for it.

const declaration = (binding: number): RegExp =>
  new RegExp(
    `@group\\(0\\) @binding\\(${binding}\\) var<storage, read_write> (\\w+): (array<[^;]+>);\\n?`,
  );

/**
 * The text with binding `from` gone and its name replaced by that of binding `to`, for every pair.
 *
 * @param op for messages.
 * @param same from -> to. Both must be declared, on a line of their own as kernels/wgsl.ts writes
 * them, with equal element types.
 */
export function mergeBindings(op: string, code: string, same: ReadonlyMap<number, number>): string {
  let merged = code;
  for (const [from, to] of same) {
    const gone = declaration(from).exec(merged);
    const kept = declaration(to).exec(merged);
    if (!gone || !kept || gone[2] !== kept[2]) {
      throw new Error(`webgpu: ${op}: bindings ${from} and ${to} are one memory and cannot merge`);
    }
    // Not after a dot: a member of a struct or vector may have the same name.
    const name = new RegExp(`(?<![.\\w])${gone[1]}\\b`, "g");
    merged = merged.replace(gone[0], "").replace(name, kept[1]);
  }
  return merged;
}
