import { expect, it } from "vitest";
import { callerOf } from "../../../../src/gateway/peer/caller.ts";

it("a client's name may stand on a command line, whatever chance makes of it", () => {
  const names = Array.from({ length: 2_000 }, () => callerOf("192.0.2.7", {}, 0).id);
  expect(names.filter((name) => !/^[0-9a-z]+$/.test(name))).toEqual([]);
  expect(new Set(names).size).toBe(names.length);
});
