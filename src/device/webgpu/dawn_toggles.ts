// Dawn's switches, passed to bun-webgpu as a native structure in the chain of an adapter request.
import { type Pointer, ptr } from "bun:ffi";

/** WGPUSType_DawnTogglesDescriptor */
const DAWN_TOGGLES_DESCRIPTOR = 0x0005000an;

export interface DawnToggles {
  /** For `requestAdapter({ nextInChain })`. Valid while this object is referenced. */
  readonly pointer: Pointer;
  /** The memory that the pointer reaches. */
  readonly memory: readonly unknown[];
}

/** A DawnTogglesDescriptor: six 8-byte words (next, sType, count and names twice). */
export function dawnToggles(names: {
  enabled: readonly string[];
  disabled: readonly string[];
}): DawnToggles {
  const enabled = nativeStrings(names.enabled);
  const disabled = nativeStrings(names.disabled);
  const descriptor = new BigUint64Array([
    0n,
    DAWN_TOGGLES_DESCRIPTOR,
    BigInt(names.enabled.length),
    enabled.address,
    BigInt(names.disabled.length),
    disabled.address,
  ]);
  return { pointer: ptr(descriptor), memory: [descriptor, enabled, disabled] };
}

/** A `char**`. */
function nativeStrings(strings: readonly string[]) {
  const characters = strings.map((string) => new TextEncoder().encode(`${string}\0`));
  const pointers = BigUint64Array.from(characters, (bytes) => BigInt(ptr(bytes)));
  const address = pointers.length === 0 ? 0n : BigInt(ptr(pointers));
  return { address, characters, pointers };
}
