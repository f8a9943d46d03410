/**
 * The same bytes as a plain Uint8Array. A Buffer's `slice` is a view where a Uint8Array's is a copy, and
 * code that is handed the one as the other keeps what it believes to have copied.
 */
export function plainBytes(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
