// What build/exchange.wasm offers: how gradients are summed, written for the wire, and checked, on memory
// that threads share. The communication Worker runs it, on one thread.
//
// Addresses are multiples of 4, also of payloads; n counts elements and may be 0. Nothing is read or
// written beyond the n elements. What is written must not overlap what is read, but where a contract says
// that it is overwritten.
export { add_f32 } from "./f32.as";
export { add_bf16, from_bf16, to_bf16 } from "./bf16.as";
export { add_int8, from_int8, to_int8 } from "./int8.as";
export { checksum } from "./checksum.as";
