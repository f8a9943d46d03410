import { describe, expect, it } from "vitest";
import { type Told, untrueOf } from "../../../scripts/torture/ready/judge.ts";

const told = (over: Partial<Told> = {}): Told => ({
  ...{ path: "in/a.bin", size: 10, modified: "2026-01-01T00:00:00.000Z", fileId: "1" },
  ...{ closed: true, at: 20_000, ...over },
});
const hold = (openedAt: number, closingAt: number, size = 10) => ({
  ...{ openedAt, closingAt, closedAt: closingAt + 5, size },
});
const judge = (news: Told, holds: ReturnType<typeof hold>[], ended?: { from: number; to: number }) =>
  untrueOf(news, { holds, ended });

describe("the judge of ready files", () => {
  it("has nothing against a file told after its writer had closed it", () => {
    expect(judge(told(), [hold(10_000, 15_000)])).toEqual([]);
  });

  it("lets an answer be on its way when a writer opens again", () => {
    expect(judge(told(), [hold(10_000, 15_000), hold(19_500, 25_000, 30)])).toEqual([]);
  });

  it.each([
    ["while its writer had it open", told(), [hold(10_000, 25_000)], undefined],
    ["with 4 bytes, not 10", told({ size: 4 }), [hold(10_000, 15_000)], undefined],
    ["not 30", told(), [hold(10_000, 12_000), hold(13_000, 15_000, 30)], undefined],
    ["told empty", told({ size: 0 }), [hold(10_000, 15_000, 0)], undefined],
    ["after it was gone", told(), [hold(10_000, 15_000)], { from: 16_000, to: 16_010 }],
    ["a temporary name", told({ path: "in/a.part" }), [hold(10_000, 15_000)], undefined],
    ["was not asked", told({ closed: false }), [hold(10_000, 15_000)], undefined],
  ] as const)("objects: %s", (what, news, holds, ended) => {
    expect(judge(news, [...holds], ended).join()).toContain(what);
  });
});
