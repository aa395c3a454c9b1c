// Eight bytes a step ("slicing by 8"): a gigabyte is checked in a second, byte by byte it takes half
// a minute.
const SLICES = 8;

// TABLE[256 * k + byte]: what `byte` does to the remainder when k more bytes follow it.
const TABLE = makeTable();

function makeTable(): Int32Array {
  const table = new Int32Array(256 * SLICES);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
    table[byte] = crc;
  }
  for (let i = 256; i < table.length; i++) {
    const before = table[i - 256];
    table[i] = (before >>> 8) ^ table[before & 255];
  }
  return table;
}

/** CRC-32 as in zip files (reflected polynomial 0xedb88320). */
export function crc32(bytes: Uint8Array): number {
  const [T, B] = [TABLE, bytes];
  const blocks = bytes.length - (bytes.length % SLICES);
  let crc = -1;
  let i = 0;
  for (; i < blocks; i += SLICES) {
    const low = crc ^ (B[i] | (B[i + 1] << 8) | (B[i + 2] << 16) | (B[i + 3] << 24));
    crc =
      T[1792 + (low & 255)] ^
      T[1536 + ((low >>> 8) & 255)] ^
      T[1280 + ((low >>> 16) & 255)] ^
      T[1024 + (low >>> 24)] ^
      T[768 + B[i + 4]] ^
      T[512 + B[i + 5]] ^
      T[256 + B[i + 6]] ^
      T[B[i + 7]];
  }
  for (; i < bytes.length; i++) crc = (crc >>> 8) ^ T[(crc ^ B[i]) & 255];
  return ~crc >>> 0;
}
