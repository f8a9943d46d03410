/** Hashes of a packed picture. They are stable over processes, since checkpoints carry them. */

const wide = new BigInt64Array(1);
const halves = new Uint32Array(wide.buffer);

function mix(hash: number, word: number): number {
  let h = Math.imul(hash ^ word, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

export function hashOf(seed: number, values: readonly bigint[]): number {
  let hash = seed;
  for (const value of values) {
    wide[0] = BigInt.asIntN(64, value);
    hash = mix(mix(hash, halves[0] as number), halves[1] as number);
  }
  return hash;
}

export function hashName(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return (hash ^ (hash >>> 15)) >>> 0;
}
