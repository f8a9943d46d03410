import { createCipheriv } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { AesCmac, aesCmac } from "../../../src/crypto/cmac.ts";
import { CryptoMisuseError } from "../../../src/crypto/errors.ts";
import { kdf } from "../../../src/crypto/kdf.ts";
import { md4 } from "../../../src/crypto/md4.ts";
import { rc4 } from "../../../src/crypto/rc4.ts";
import { wipe } from "../../../src/crypto/wipe.ts";
import { bytes, hex, vectors } from "./vectors.ts";

describe("MD4 (RFC 1320)", () => {
  it.each<readonly [text: string, digest: string]>([
    ...vectors.md4.cases.map(
      ([text, digest]) => [text.replace("1234567890 x8", "1234567890".repeat(8)), digest] as const,
    ),
    ["a", "bde52cb31de33e46245e05fbdbd6fb24"],
    ["message digest", "d9130a8164549fe818874806e1c7014b"],
    ["abcdefghijklmnopqrstuvwxyz", "d79e1c308aa5bbcdeea8ed63df412da9"],
    ["ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", "043f8582f241db351ce627e153e7f0e4"],
  ])("%j", (text, digest) => {
    expect(hex(md4(Buffer.from(text)))).toBe(digest);
  });

  it("leaves its input as it was", () => {
    const input = bytes("00112233");
    md4(input);
    expect(hex(input)).toBe("00112233");
  });
});

describe("RC4", () => {
  it.each([
    ["Key", "Plaintext", "bbf316e8d940af0ad3"],
    ["Wiki", "pedia", "1021bf0420"],
    ["Secret", "Attack at dawn", "45a01f645fc35b383552544b9bf5"],
  ])("key %j", (key, text, cipher) => {
    expect(hex(rc4(Buffer.from(key), Buffer.from(text)))).toBe(cipher);
    expect(hex(rc4(Buffer.from(key), bytes(cipher)))).toBe(hex(Buffer.from(text)));
  });

  it("refuses keys it has no meaning for", () => {
    expect(() => rc4(new Uint8Array(0), bytes("00"))).toThrow(CryptoMisuseError);
    expect(() => rc4(new Uint8Array(257), bytes("00"))).toThrow(CryptoMisuseError);
  });
});

/** RFC 4493 figure 2.3 word by word, one AES block at a time: slow and obvious. */
function plainCmac(key: Uint8Array, message: Uint8Array): Uint8Array {
  const aes = (block: Uint8Array): Uint8Array => {
    const cipher = createCipheriv("aes-128-ecb", key, null).setAutoPadding(false);
    return cipher.update(block);
  };
  const big = (block: Uint8Array): bigint => BigInt(`0x${hex(block)}`);
  const block = (value: bigint): Uint8Array => bytes(value.toString(16).padStart(32, "0"));
  const mask = (1n << 128n) - 1n;
  const double = (x: bigint): bigint => ((x << 1n) & mask) ^ (x >> 127n === 1n ? 0x87n : 0n);
  const k1 = double(big(aes(new Uint8Array(16))));
  const n = Math.max(1, Math.ceil(message.length / 16));
  const complete = message.length > 0 && message.length % 16 === 0;
  const last = new Uint8Array(16);
  last.set(message.subarray((n - 1) * 16));
  if (!complete) last[message.length - (n - 1) * 16] = 0x80;
  let x = 0n;
  for (let i = 0; i < n - 1; i++) x = big(aes(block(x ^ big(message.subarray(i * 16, i * 16 + 16)))));
  return aes(block(x ^ big(last) ^ (complete ? k1 : double(k1))));
}

describe("AES-128-CMAC (RFC 4493)", () => {
  const key = bytes(vectors.cmac.key);
  const message = bytes(vectors.cmac.message64);

  it.each(Object.entries(vectors.cmac.tags))("length %s", (length, tag) => {
    expect(hex(aesCmac(key, message.subarray(0, Number(length))))).toBe(tag);
  });

  it("one object computes any sequence of lengths as a fresh one would", () => {
    const cmac = new AesCmac(key);
    const data = Uint8Array.from({ length: 5000 }, (_, i) => (i * 167 + (i >> 3)) & 0xff);
    const lengths = [
      ...Array(290).keys(),
      2047,
      2048,
      2049,
      2050,
      2063,
      2064,
      2065,
      2080,
      4096,
      4999,
      5000,
      0,
    ];
    for (const length of lengths) {
      const part = data.subarray(5000 - length);
      expect(hex(cmac.compute(part)), `length ${length}`).toBe(hex(plainCmac(key, part)));
    }
  });

  it("agrees with the definition for any key and message", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 16, maxLength: 16 }),
        fc.array(fc.uint8Array({ maxLength: 100 }), { minLength: 1, maxLength: 4 }),
        (anyKey, messages) => {
          const cmac = new AesCmac(anyKey);
          for (const each of messages) expect(hex(cmac.compute(each))).toBe(hex(plainCmac(anyKey, each)));
        },
      ),
      { numRuns: 100 },
    );
  });

  it("digests a message larger than its chunks", () => {
    const data = Uint8Array.from({ length: 200_003 }, (_, i) => (i * 31) & 0xff);
    expect(hex(aesCmac(key, data))).toBe(LARGE_TAG);
  });

  it("neither changes the message nor keeps the key buffer", () => {
    const own = bytes(vectors.cmac.key);
    const cmac = new AesCmac(own);
    wipe(own);
    const copy = message.slice();
    expect(hex(cmac.compute(copy))).toBe(vectors.cmac.tags["64"]);
    expect(hex(copy)).toBe(vectors.cmac.message64);
    expect(hex(own)).toBe("00".repeat(16));
  });

  it("refuses other key lengths", () => {
    expect(() => new AesCmac(new Uint8Array(32))).toThrow(CryptoMisuseError);
  });
});

/** By `openssl mac -cipher AES-128-CBC -macopt hexkey:… CMAC` over the same bytes. */
const LARGE_TAG = "2b5c4a95ba8215f4aa1abd0becf9d9f9";

describe("SP800-108 KDF", () => {
  it("refuses lengths that one block cannot give", () => {
    for (const bits of [0, 7, 12, 264, 1.5]) {
      expect(() => kdf(bytes("00"), bytes(""), bytes(""), bits)).toThrow(CryptoMisuseError);
    }
  });

  it("binds label, context and length", () => {
    const base = hex(kdf(bytes("01"), bytes("02"), bytes("03"), 128));
    expect(hex(kdf(bytes("01"), bytes("0203"), bytes(""), 128))).not.toBe(base);
    expect(hex(kdf(bytes("01"), bytes("02"), bytes("03"), 256)).startsWith(base)).toBe(false);
  });
});
