// How large the kernels' memory is, in pages of WebAssembly: the build writes it into the module, and
// the device makes the memory accordingly.

export const PAGE_BYTES = 65536;

/** What the module asks for at least. */
export const INITIAL_PAGES = 16;

/** The most that a memory given to it may have: 4 GiB, all that 32-bit addresses reach. */
export const MAXIMUM_PAGES = 65536;
