import { describe, expect, it } from "vitest";
import { BROKER_ERROR_CODES, BrokerError, ConflictError } from "../../../src/broker/errors.ts";
import { parsePosition } from "../../../src/broker/link/delivery.ts";
import { checkServerVersion } from "../../../src/broker/versions.ts";

describe("server versions", () => {
  it.each([
    ["2.9.10", 1],
    ["2.9.25", 1],
    ["2.10.18", 1],
    ["2.10.20", 1],
    ["2.10.20", 3],
    ["2.12.1", 5],
    ["2.15.0-dev", 3],
    ["unknown", 3],
  ])("%s with %d replicas is taken", (version, replicas) => {
    expect(() => checkServerVersion(version, replicas)).not.toThrow();
  });

  it.each([
    ["2.8.4", 1],
    ["2.9.10", 3],
    ["2.9.25", 3],
    ["2.10.19", 1],
    ["2.10.19", 3],
    ["2.10.5", 3],
  ])("%s with %d replicas is refused", (version, replicas) => {
    expect(() => checkServerVersion(version, replicas)).toThrow(
      expect.objectContaining({ code: "BROKER_UNSAFE_SERVER", message: expect.stringContaining(version) }),
    );
  });
});

describe("errors", () => {
  it("each say what may be concluded, under a code of their own", () => {
    expect(new Set(BROKER_ERROR_CODES).size).toBe(BROKER_ERROR_CODES.length);
    for (const code of BROKER_ERROR_CODES) {
      const error = new BrokerError(code, "x", new Error("why"));
      expect(error).toMatchObject({ code, name: "BrokerError", cause: { message: "why" } });
      expect(error.conclusion).toBeTypeOf("string");
    }
    const conflict = new ConflictError("a.b");
    expect(conflict).toMatchObject({ code: "BROKER_CONFLICT", key: "a.b", name: "ConflictError" });
  });
});

describe("positions of deliveries", () => {
  it.each<[string, ReturnType<typeof parsePosition>]>([
    ["$JS.ACK.S.C.1.7.3.1700000000000000000.9", { sequence: 7, delivery: 3, pending: 9, storedAt: 1.7e12 }],
    [
      "$JS.ACK._.HASH.S.C.1.7.3.1700000000000000000.9.rnd",
      { sequence: 7, delivery: 3, pending: 9, storedAt: 1.7e12 },
    ],
    ["$JS.ACK.S.C.1.x.3.1700000000000000000.9", undefined],
    ["$JS.ACK.S.C", undefined],
    ["_INBOX.x", undefined],
    ["", undefined],
  ])("%j", (reply, position) => expect(parsePosition(reply)).toEqual(position));
});
