/**
 * The same memory as a plain Uint8Array. Buffer's `slice` shares memory where Uint8Array's copies, so a
 * Buffer behind a Uint8Array type would let one holder wipe another's key.
 */
export function plain(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}
