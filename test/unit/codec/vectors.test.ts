import { readdirSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { DecodeError } from "../../../src/codec/errors.ts";
import { decodeHeader, encodeHeader } from "../../../src/codec/header.ts";
import { hex } from "../../support/bytes/smb-fixtures.ts";
import { rows, samples } from "../../support/bytes/smb-rows.ts";

describe.each(rows)("$name ($source)", ({ message, decode, object, encoded, differs, slack }) => {
  it("says what is known", () => {
    expect(decode(message)).toEqual(object);
  });

  it("is written the same", () => {
    const same = hex(encoded) === hex(message.subarray(64));
    expect(same, hex(encoded)).toBe(differs === undefined);
    // Bytes that differ still say the same.
    const ours = new Uint8Array([...message.subarray(0, 64), ...encoded]);
    expect(decode(ours)).toEqual(object);
  });

  it("cut anywhere is refused, not misread", () => {
    for (let length = 0; length < message.length; length++) {
      const prefix = message.slice(0, length);
      if (length >= message.length - slack) expect(decode(prefix), `cut at ${length}`).toEqual(object);
      else expect(() => decode(prefix), `cut at ${length}`).toThrow(DecodeError);
    }
  });

  it("is read alike inside a larger buffer", () => {
    const larger = new Uint8Array(message.length + 11).fill(0xa5);
    larger.set(message, 7);
    expect(decode(larger.subarray(7, 7 + message.length))).toEqual(object);
    expect(decode(Buffer.from(larger).subarray(7, 7 + message.length))).toEqual(object);
  });

  it("has a header that is read and written the same", () => {
    const header = decodeHeader(message);
    const masked = message.slice(0, 64);
    // Windows fills the reserved half of TreeId with the old PID, FEFF; we write 0.
    if ((header.flags & 2) === 0) masked.fill(0, 32, 36);
    expect(hex(encodeHeader(header))).toBe(hex(masked));
    for (let length = 0; length < 64; length++) {
      expect(() => decodeHeader(message.slice(0, length)), `cut at ${length}`).toThrow(DecodeError);
    }
  });
});

describe.each(samples)("$name", ({ message, decode, value }) => {
  it("comes back as it went", () => {
    expect(decode(message)).toEqual(value);
  });

  it("with another StructureSize is refused", () => {
    const wrong = message.slice();
    wrong[64] = (wrong[64] ?? 0) ^ 1;
    expect(() => decode(wrong)).toThrow(/StructureSize at 64/);
  });
});

describe("the tables", () => {
  const MESSAGES = resolve(import.meta.dirname, "../../../src/codec/msg");
  /** No messages of their own: they travel inside IOCTL, and have tests of their own. */
  const IOCTL_PAYLOADS = new Set([
    "decodeValidateNegotiateInfoRequest",
    "decodeValidateNegotiateInfoResponse",
    "decodeDfsReferralResponse",
  ]);

  it("have a row and a sample for every message", async () => {
    const decoders = new Map<unknown, string>();
    for (const file of readdirSync(MESSAGES)) {
      const module = (await import(resolve(MESSAGES, file))) as Record<string, unknown>;
      for (const [name, value] of Object.entries(module)) {
        if (/^decode\w+(Request|Response)$/.test(name) && !IOCTL_PAYLOADS.has(name))
          decoders.set(value, name);
      }
    }
    expect(decoders.size).toBeGreaterThan(20);
    const rowed = new Set(rows.map(({ decode }) => decode as unknown));
    const sampled = new Set(samples.map(({ decode }) => decode as unknown));
    expect([...decoders].filter(([decode]) => !sampled.has(decode)).map(([, name]) => name)).toEqual([]);
    expect([...decoders].filter(([decode]) => !rowed.has(decode)).map(([, name]) => name)).toEqual([]);
  });
});
