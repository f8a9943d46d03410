/**
 * Memory for a message in the making, with anything in it: cut from a slab that many share, since memory of its own costs
 * a small message more than all that is written into it. Not for what is kept: it would keep the slab.
 */
export function scratch(length: number): Uint8Array {
  const { buffer, byteOffset } = Buffer.allocUnsafe(length);
  return new Uint8Array(buffer, byteOffset, length);
}
