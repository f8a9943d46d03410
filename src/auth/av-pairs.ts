import { malformed } from "./errors.ts";
import { fromUtf16 } from "./ntlm-messages.ts";

/** AvId (MS-NLMP 2.2.2.1). */
export const AV = {
  EOL: 0,
  NB_COMPUTER_NAME: 1,
  NB_DOMAIN_NAME: 2,
  DNS_COMPUTER_NAME: 3,
  DNS_DOMAIN_NAME: 4,
  DNS_TREE_NAME: 5,
  FLAGS: 6,
  TIMESTAMP: 7,
  SINGLE_HOST: 8,
  TARGET_NAME: 9,
  CHANNEL_BINDINGS: 10,
} as const;

/** Bits of the FLAGS pair. */
export const AV_FLAG = { MIC_PRESENT: 2 } as const;

/** Pairs whose length the standard fixes. */
const LENGTHS: Readonly<Record<number, number>> = {
  [AV.FLAGS]: 4,
  [AV.TIMESTAMP]: 8,
  [AV.CHANNEL_BINDINGS]: 16,
};

export interface AvPair {
  readonly id: number;
  readonly value: Uint8Array;
}

/** Encodes the pairs in their order and ends them with EOL. */
export function encodeAvPairs(pairs: readonly AvPair[]): Uint8Array {
  const out = new Uint8Array(pairs.reduce((sum, { value }) => sum + 4 + value.length, 4));
  const view = new DataView(out.buffer);
  let at = 0;
  for (const { id, value } of pairs) {
    view.setUint16(at, id, true);
    view.setUint16(at + 2, value.length, true);
    out.set(value, at + 4);
    at += 4 + value.length;
  }
  return out;
}

/**
 * Reads pairs up to EOL, which must stand inside `bytes`; what follows it is padding. No id may come twice:
 * which of two timestamps counts must not depend on the reader.
 * @throws AuthError `AUTH_MALFORMED_TOKEN`
 */
export function decodeAvPairs(bytes: Uint8Array): AvPair[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const pairs: AvPair[] = [];
  const seen = new Set<number>();
  for (let at = 0; ; ) {
    if (at + 4 > bytes.length) malformed("NTLM: the AV pairs do not end with EOL");
    const id = view.getUint16(at, true);
    const length = view.getUint16(at + 2, true);
    at += 4;
    if (id === AV.EOL) {
      if (length !== 0) malformed("NTLM: EOL of the AV pairs has a value");
      return pairs;
    }
    if (at + length > bytes.length) malformed(`NTLM: AV pair ${id} leaves its field`);
    if ((LENGTHS[id] ?? length) !== length) malformed(`NTLM: AV pair ${id} has ${length} bytes`);
    if (seen.has(id)) malformed(`NTLM: AV pair ${id} comes twice`);
    seen.add(id);
    pairs.push({ id, value: bytes.subarray(at, at + length) });
    at += length;
  }
}

/** The value of a pair, if it is there. */
export function avValue(pairs: readonly AvPair[], id: number): Uint8Array | undefined {
  return pairs.find((pair) => pair.id === id)?.value;
}

/** The value of a pair that holds a name; `undefined` where it is missing or empty. */
export function avName(pairs: readonly AvPair[], id: number): string | undefined {
  const value = avValue(pairs, id);
  return value === undefined || value.length === 0 ? undefined : fromUtf16(value, `AV pair ${id}`);
}
