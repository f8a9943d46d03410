import { wipe } from "./wipe.ts";

const ROUNDS = [
  {
    add: 0,
    shifts: [3, 7, 11, 19],
    order: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
    mix: (x: number, y: number, z: number): number => (x & y) | (~x & z),
  },
  {
    add: 0x5a827999,
    shifts: [3, 5, 9, 13],
    order: [0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15],
    mix: (x: number, y: number, z: number): number => (x & y) | (x & z) | (y & z),
  },
  {
    add: 0x6ed9eba1,
    shifts: [3, 9, 11, 15],
    order: [0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15],
    mix: (x: number, y: number, z: number): number => x ^ y ^ z,
  },
] as const;

/**
 * MD4 (RFC 1320), 16 bytes. Broken as a hash; NTLM derives its key from MD4 of the password
 * (MS-NLMP 3.3.1), and OpenSSL 3 no longer offers it.
 */
export function md4(message: Uint8Array): Uint8Array {
  const padded = new Uint8Array((((message.length + 8) >> 6) + 1) << 6);
  padded.set(message);
  padded[message.length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setBigUint64(padded.length - 8, BigInt(message.length) * 8n, true);

  const state = new Uint32Array([0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476]);
  for (let block = 0; block < padded.length; block += 64) {
    let [a, b, c, d] = state as unknown as [number, number, number, number];
    for (const { add, shifts, order, mix } of ROUNDS) {
      for (const [step, word] of order.entries()) {
        const sum = (a + mix(b, c, d) + view.getUint32(block + word * 4, true) + add) | 0;
        const shift = shifts[(step & 3) as 0 | 1 | 2 | 3];
        [a, b, c, d] = [d, (sum << shift) | (sum >>> (32 - shift)), b, c];
      }
    }
    for (const [i, value] of [a, b, c, d].entries()) state[i] = (state[i] as number) + value;
  }
  wipe(padded);

  const digest = new Uint8Array(16);
  const out = new DataView(digest.buffer);
  for (const [i, value] of state.entries()) out.setUint32(i * 4, value, true);
  return digest;
}
