// Calling into a shared library from Bun (bun:ffi) or Deno (Deno.dlopen): the little that BLAS and sockets need.
// Addresses are plain numbers: user space ends at 2^47, far below 2^53.

/** `text` is a NUL-terminated string, as a result only. */
type NativeType = "i32" | "i64" | "f32" | "address" | "text" | "nothing";

export type NativeFunction = (...values: number[]) => number | bigint | string | null | undefined;

export interface NativeLibrary {
  /** The function, or undefined when the library does not export it. */
  find(
    name: string,
    parameters: readonly NativeType[],
    result: NativeType,
  ): NativeFunction | undefined;
}

export interface NativeRuntime {
  /** @throws Error with the loader's words when the library cannot be opened. */
  open(path: string): NativeLibrary;
  /** Where the bytes lie. Stays true for a shared WebAssembly.Memory: growing it does not move it. */
  addressOf(bytes: Uint8Array<ArrayBufferLike>): number;
}

interface DenoFfi {
  dlopen(path: string, symbols: object): { symbols: Record<string, NativeFunction | null> };
  UnsafePointer: { of(bytes: ArrayBufferView): unknown; value(pointer: unknown): number | bigint };
  UnsafePointerView: { getCString(pointer: unknown): string };
}

/** The runtime's way to native code, or a reason why there is none (a browser, Node). */
export async function nativeRuntime(): Promise<NativeRuntime | { reason: string }> {
  if (typeof process !== "undefined" && process.versions?.bun) return bunRuntime();
  const { Deno } = globalThis as { Deno?: DenoFfi };
  if (typeof Deno?.dlopen === "function") return denoRuntime(Deno);
  return { reason: "this runtime cannot call native libraries" };
}

async function bunRuntime(): Promise<NativeRuntime> {
  const { dlopen, FFIType, ptr } = await import("bun:ffi");
  const types = {
    i32: FFIType.i32,
    i64: FFIType.i64,
    f32: FFIType.f32,
    address: FFIType.ptr,
    text: FFIType.cstring,
    nothing: FFIType.void,
  } as const;
  // Bun opens a library and its functions in one step and has no optional ones: open for each.
  const symbol = (
    path: string,
    name: string,
    parameters: readonly NativeType[],
    result: NativeType,
  ) =>
    dlopen(path, {
      [name]: { args: parameters.map((type) => types[type]), returns: types[result] },
    }).symbols[name] as unknown as NativeFunction;
  const isMissingSymbol = (error: unknown): boolean =>
    error instanceof Error && /^Symbol .* not found/.test(error.message);
  return {
    open(path) {
      try {
        symbol(path, "weft_opens_the_library", [], "nothing");
      } catch (error) {
        if (!isMissingSymbol(error)) throw error;
      }
      return {
        find(name, parameters, result) {
          try {
            const call = symbol(path, name, parameters, result);
            // A C string arrives as an object of Bun's own.
            return result === "text" ? (...values) => String(call(...values)) : call;
          } catch (error) {
            if (isMissingSymbol(error)) return undefined;
            throw error;
          }
        },
      };
    },
    addressOf: (bytes) => Number(ptr(bytes)),
  };
}

function denoRuntime({ dlopen, UnsafePointer, UnsafePointerView }: DenoFfi): NativeRuntime {
  // "usize" takes plain numbers, where "pointer" would want an object for every call.
  const types = {
    i32: "i32",
    i64: "i64",
    f32: "f32",
    address: "usize",
    text: "pointer",
    nothing: "void",
  } as const;
  return {
    open(path) {
      dlopen(path, {});
      return {
        find(name, parameters, result) {
          const { symbols } = dlopen(path, {
            [name]: {
              parameters: parameters.map((type) => types[type]),
              result: types[result],
              optional: true,
            },
          });
          const call = symbols[name] ?? undefined;
          if (!call || result !== "text") return call;
          return (...values) => UnsafePointerView.getCString(call(...values));
        },
      };
    },
    addressOf: (bytes) => Number(UnsafePointer.value(UnsafePointer.of(bytes))),
  };
}
