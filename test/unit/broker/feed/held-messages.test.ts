import { expect, it } from "vitest";
import { HeldMessages } from "../../../../src/broker/feed/held-messages.ts";
import type { Incoming } from "../../../../src/broker/feed/stored-messages.ts";

const message = (sequence: number, bytes = 0): Incoming => ({
  ...{ subject: "smb.nas1", sequence, previous: 0, header: () => undefined },
  data: new Uint8Array(bytes),
});

it("live messages are held in order, and given once", () => {
  const held = new HeldMessages();
  expect([held.add(message(4)), held.add(message(7))]).toEqual([true, true]);
  expect(held.take().map(({ sequence }) => sequence)).toEqual([4, 7]);
  expect(held.take()).toEqual([]);
});

it.each([
  ["number", 20_000, 0],
  ["size", 64, 1_048_576],
])("live messages are bounded in %s: beyond, the stream has to be read for them", (_what, most, bytes) => {
  const held = new HeldMessages();
  for (let each = 1; each <= most; each++) expect(held.add(message(each, bytes))).toBe(true);
  expect(held.add(message(most + 1, bytes || 1))).toBe(false);
  expect(held.take()).toEqual([]);
  expect(held.add(message(most + 2))).toBe(true);
});
