import { CryptoMisuseError } from "./errors.ts";
import { wipe } from "./wipe.ts";

/**
 * RC4 from the start of its key stream; the same call encrypts and decrypts. Broken as a cipher; NTLM
 * wraps the random session key with it (MS-NLMP 3.1.5.1.2), and OpenSSL 3 no longer offers it.
 */
export function rc4(key: Uint8Array, data: Uint8Array): Uint8Array {
  if (key.length === 0 || key.length > 256) throw new CryptoMisuseError("RC4 takes a key of 1 to 256 bytes");
  const s = Uint8Array.from({ length: 256 }, (_, i) => i);
  const swap = (i: number, j: number): void => {
    const held = s[i] as number;
    s[i] = s[j] as number;
    s[j] = held;
  };
  for (let i = 0, j = 0; i < 256; i++) {
    j = (j + (s[i] as number) + (key[i % key.length] as number)) & 0xff;
    swap(i, j);
  }
  const out = new Uint8Array(data.length);
  for (let n = 0, i = 0, j = 0; n < data.length; n++) {
    i = (i + 1) & 0xff;
    j = (j + (s[i] as number)) & 0xff;
    swap(i, j);
    out[n] = (data[n] as number) ^ (s[((s[i] as number) + (s[j] as number)) & 0xff] as number);
  }
  wipe(s);
  return out;
}
