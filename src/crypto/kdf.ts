import { createHmac } from "node:crypto";
import { CryptoMisuseError } from "./errors.ts";
import { wipe } from "./wipe.ts";

/**
 * SP800-108 key derivation in counter mode with HMAC-SHA256 and a 32-bit counter (MS-SMB2 3.1.4.2).
 * SMB's labels and contexts contain their own terminating NUL, besides the separator put here.
 *
 * @param bits length of the derived key, 8 to 256: one block of HMAC output suffices.
 */
export function kdf(key: Uint8Array, label: Uint8Array, context: Uint8Array, bits: number): Uint8Array {
  if (!Number.isInteger(bits / 8) || bits < 8 || bits > 256) {
    throw new CryptoMisuseError(`a derived key has 8 to 256 bits in whole bytes, not ${bits}`);
  }
  const counter = Buffer.from([0, 0, 0, 1]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bits);
  const separator = Buffer.alloc(1);
  const block = createHmac("sha256", key)
    .update(counter)
    .update(label)
    .update(separator)
    .update(context)
    .update(length)
    .digest();
  const derived = new Uint8Array(block.subarray(0, bits / 8));
  wipe(block);
  return derived;
}
