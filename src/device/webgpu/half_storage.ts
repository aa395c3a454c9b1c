// Kernels compute in f32. An operand that is stored as f16 has its loads and stores converted here, in
// the kernel's text: so one text serves f32, native f16 (`shader-f16`), and pairs of halves packed into
// words where an adapter has no f16. A kernel that declares `array<f16>` itself is left alone.

type Element = "f32" | "vec4<f32>";

interface HalfArray {
  readonly name: string;
  readonly element: Element;
  readonly declaration: string;
}

const declared = (binding: number): RegExp =>
  new RegExp(
    `@group\\(0\\) @binding\\(${binding}\\) var<storage, read_write> (\\w+): array<(f32|vec4<f32>)>;`,
  );

/**
 * The text with the given bindings stored as f16.
 *
 * @param op for messages.
 * @param bindings those of f16 operands, declared on lines as kernels/wgsl.ts writes them.
 * @param native whether the adapter has shader-f16.
 */
export function withHalfStorage(
  op: string,
  code: string,
  bindings: readonly number[],
  native: boolean,
): string {
  const arrays = bindings.flatMap((binding): HalfArray[] => {
    const found = declared(binding).exec(code);
    return found ? [{ declaration: found[0], name: found[1], element: found[2] as Element }] : [];
  });
  if (arrays.length === 0) return code;
  let adapted = code;
  for (const array of arrays) {
    // The names of this array's functions hold its own: no other array's rewriting meets them.
    const [before, after] = adapted.split(array.declaration);
    const rewritten = { stores: 0 };
    const body = rewriteAccesses(op, after, array.name, rewritten);
    const head = rewriteAccesses(op, before, array.name, rewritten);
    const storage = native ? nativeStorage(array) : packedStorage(array, rewritten.stores > 0);
    adapted = `${head}${storage}${body}`;
  }
  const stores = /\bhalfStore_/.test(adapted);
  const conversions = stores ? (native ? NATIVE_ROUNDING : PACKED_ROUNDING) : "";
  return `${native ? enableF16(adapted) : ""}${adapted}${conversions}`;
}

const enableF16 = (code: string): string => (/^\s*enable f16;/m.test(code) ? "" : "enable f16;\n");

/** Reads of `name[...]` become halfLoad_name(...), assignments to it halfStore_name(...). */
function rewriteAccesses(
  op: string,
  code: string,
  name: string,
  count: { stores: number },
): string {
  const access = new RegExp(`(?<![.\\w])${name}\\s*\\[`, "g");
  const parts: string[] = [];
  let done = 0;
  for (let found = access.exec(code); found; found = access.exec(code)) {
    const open = found.index + found[0].length - 1;
    const close = closingBracket(code, open);
    const index = rewriteAccesses(op, code.slice(open + 1, close), name, count);
    const assignment = /^\s*([-+*/]?)=(?!=)/.exec(code.slice(close + 1, close + 16));
    parts.push(code.slice(done, found.index));
    if (!assignment) {
      if (/^\s*\.\w+\s*[-+*/]?=(?!=)/.test(code.slice(close + 1, close + 16))) {
        throw new Error(
          `webgpu: ${op}: a component of ${name} is assigned, which f16 has no place for`,
        );
      }
      parts.push(`halfLoad_${name}(${index})`);
      done = close + 1;
    } else {
      const start = close + 1 + assignment[0].length;
      const end = code.indexOf(";", start);
      const value = rewriteAccesses(op, code.slice(start, end).trim(), name, count);
      const [, operator] = assignment;
      const stored = operator ? `halfLoad_${name}(${index}) ${operator} (${value})` : value;
      count.stores++;
      parts.push(`halfStore_${name}(${index}, ${stored})`);
      done = end;
    }
    access.lastIndex = done;
  }
  parts.push(code.slice(done));
  return parts.join("");
}

function closingBracket(code: string, open: number): number {
  let depth = 0;
  for (let at = open; at < code.length; at++) {
    if (code[at] === "[") depth++;
    else if (code[at] === "]" && --depth === 0) return at;
  }
  throw new Error("webgpu: a bracket is not closed");
}

function nativeStorage({ name, element, declaration }: HalfArray): string {
  const half = element.replace("f32", "f16");
  const round = element === "f32" ? "roundToHalf" : "roundToHalf4";
  return `${declaration.replace(`array<${element}>`, `array<${half}>`)}
fn halfLoad_${name}(at_: u32) -> ${element} { return ${element}(${name}[at_]); }
fn halfStore_${name}(at_: u32, value_: ${element}) { ${name}[at_] = ${round}(value_); }
`;
}

function packedStorage({ name, element, declaration }: HalfArray, isStored: boolean): string {
  const declare = (type: string) => declaration.replace(`array<${element}>`, `array<${type}>`);
  if (element === "vec4<f32>") {
    return `${declare("vec2<u32>")}
fn halfLoad_${name}(at_: u32) -> vec4<f32> {
  let words = ${name}[at_];
  return vec4<f32>(unpack2x16float(words.x), unpack2x16float(words.y));
}
fn halfStore_${name}(at_: u32, value_: vec4<f32>) { ${name}[at_] = packHalves4(value_); }
`;
  }
  const load = (word: string) =>
    `fn halfLoad_${name}(at_: u32) -> f32 { return unpack2x16float(${word})[at_ & 1u]; }`;
  if (!isStored) return `${declare("u32")}\n${load(`${name}[at_ >> 1u]`)}\n`;
  // Two invocations may write the halves of one word. Each changes its own: what the other does to the
  // word meanwhile does not matter to the difference.
  return `${declare("atomic<u32>")}
${load(`atomicLoad(&${name}[at_ >> 1u])`)}
fn halfStore_${name}(at_: u32, value_: f32) {
  let shift = (at_ & 1u) * 16u;
  let old = (atomicLoad(&${name}[at_ >> 1u]) >> shift) & 0xffffu;
  atomicXor(&${name}[at_ >> 1u], (old ^ halfBits(value_)) << shift);
}
`;
}

/** WGSL does not say what numbers beyond the largest half become; infinity is what overflow is known by. */
const NATIVE_ROUNDING = `
fn roundToHalf(value: f32) -> f16 {
  let bits = bitcast<u32>(value);
  let magnitude = bits & 0x7fffffffu;
  let beyond = 0x7c00u | ((bits >> 16u) & 0x8000u) | select(0u, 0x200u, magnitude > 0x7f800000u);
  return f16(select(value, unpack2x16float(beyond).x, magnitude >= 0x477ff000u));
}
fn roundToHalf4(value: vec4<f32>) -> vec4<f16> {
  return vec4<f16>(roundToHalf(value.x), roundToHalf(value.y), roundToHalf(value.z), roundToHalf(value.w));
}
`;

/** As numberToHalf of src/tensor/half.ts: pack2x16float may round either way. */
const PACKED_ROUNDING = `
fn halfBits(value: f32) -> u32 {
  let bits = bitcast<u32>(value);
  let sign = (bits >> 16u) & 0x8000u;
  let magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) { return 0x7e00u; }
  if (magnitude >= 0x47800000u) { return sign | 0x7c00u; }
  if (magnitude < 0x38800000u) {
    return sign | (bitcast<u32>(bitcast<f32>(magnitude) + 0.5) - 0x3f000000u);
  }
  return sign | ((magnitude - 0x38000000u + 0xfffu + ((magnitude >> 13u) & 1u)) >> 13u);
}
fn packHalves4(value: vec4<f32>) -> vec2<u32> {
  return vec2<u32>(
    halfBits(value.x) | (halfBits(value.y) << 16u),
    halfBits(value.z) | (halfBits(value.w) << 16u),
  );
}
`;
