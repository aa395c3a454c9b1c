/** A big-endian whole number of 1, 2 or 4 bytes. */
export function readUint(view: DataView, at: number, width: number): number {
  if (width === 4) return view.getUint32(at);
  return width === 2 ? view.getUint16(at) : view.getUint8(at);
}
