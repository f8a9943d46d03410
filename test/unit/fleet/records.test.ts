import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BadRecordError } from "../../../src/fleet/errors.ts";
import {
  type ClaimRecord,
  decodeClaim,
  decodeLease,
  decodeRef,
  encodeRecord,
  type LeaseRecord,
  MAX_RECORD_BYTES,
} from "../../../src/fleet/records.ts";

const bytes = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));
const target = { connection: "nas1", path: "/Media", recursive: true };

describe("records", () => {
  it("read back what was written", () => {
    const lease: LeaseRecord = {
      kind: "worker",
      ttlMs: 15_000,
      host: "h",
      seq: 3,
      capacity: 10,
      draining: true,
      connections: ["nas1"],
      caseSensitive: ["nas1"],
      deny: [],
      version: "1.0.0",
      lag: { messages: 7, ms: 1_200 },
    };
    const claim: ClaimRecord = {
      ...target,
      lease: "w1",
      state: "denied",
      mode: "notify",
      code: "denied",
      error: "no",
      late: { names: 120, contents: 600 },
      next: { lease: "w2", ready: true },
      clean: true,
    };
    expect(decodeLease(encodeRecord(lease))).toEqual(lease);
    expect(decodeClaim(encodeRecord(claim))).toEqual(claim);
    expect(decodeRef(encodeRecord(target))).toEqual(target);
  });

  it("ignores unknown fields and unknown error codes", () => {
    expect(decodeRef(bytes({ ...target, future: { deep: true } }))).toEqual(target);
    const claim = { ...target, lease: "w1", state: "gone", mode: "notify", code: "martian" };
    expect(decodeClaim(bytes(claim))).not.toHaveProperty("code");
  });

  it.each([5, [], {}, { names: "120" }, { names: -1 }, { names: 60, contents: 0.5 }])(
    "refuses a claim that comes late by %j",
    (late) => {
      const claim = { ...target, lease: "w1", state: "live", mode: "notify", late };
      expect(() => decodeClaim(bytes(claim))).toThrow(BadRecordError);
    },
  );

  it("canonicalises paths", () => {
    expect(decodeRef(bytes({ ...target, path: "Media//x/" })).path).toBe("/Media/x");
  });

  it.each([
    ["null", null],
    ["an array", []],
    ["a path that climbs", { ...target, path: "/../etc" }],
    ["a connection that is a subject", { ...target, connection: "a.>" }],
    ["a missing flag", { connection: "nas1", path: "/" }],
    ["a flag that is text", { ...target, recursive: "yes" }],
  ])("refuses %s as a ref", (_, value) => {
    expect(() => decodeRef(bytes(value))).toThrow(BadRecordError);
  });

  it.each([0, 1, -1, 1e12, "15000", 1.5, null])("refuses a lease with ttlMs %j", (ttlMs) => {
    expect(() => decodeLease(bytes({ kind: "worker", ttlMs, host: "h" }))).toThrow(BadRecordError);
  });

  it("refuses what is too large before parsing it", () => {
    expect(() => decodeRef(new Uint8Array(MAX_RECORD_BYTES + 1))).toThrow(/over/);
  });

  it("throws nothing but BadRecordError, whatever the bytes", () => {
    const decoders = [decodeLease, decodeRef, decodeClaim];
    const hostile = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.json().map((text) => new TextEncoder().encode(text)),
      fc
        .record(
          {
            kind: fc.constantFrom("worker", "spy"),
            ttlMs: fc.anything(),
            connection: fc.anything(),
            path: fc.anything(),
            recursive: fc.anything(),
            lease: fc.anything(),
            next: fc.anything(),
            state: fc.constantFrom("live", "undead"),
            mode: fc.constant("notify"),
            __proto__: fc.anything(),
          },
          { requiredKeys: [] },
        )
        .map((value) => {
          try {
            return bytes(value);
          } catch {
            return new Uint8Array();
          }
        }),
    );
    fc.assert(
      fc.property(hostile, (data) => {
        for (const decode of decoders) {
          try {
            decode(data);
          } catch (error) {
            expect(error).toBeInstanceOf(BadRecordError);
          }
        }
      }),
    );
  });
});
