import { describe, expect, it } from "vitest";
import { Judge, type Told, untrueOf } from "../../../scripts/torture/ready/judge.ts";
import { isRefusal } from "../../../scripts/torture/ready/run.ts";

const told = (over: Partial<Told> = {}): Told => ({
  ...{ path: "in/a.bin", size: 10, modified: "2026-01-01T00:00:00.000Z", fileId: "1" },
  ...{ closed: true, at: 20_000, ...over },
});
const hold = (openedAt: number, closingAt: number, size = 10) => ({
  ...{ openedAt, closingAt, closedAt: closingAt + 5, size },
});
const judge = (news: Told, holds: ReturnType<typeof hold>[], ended?: { from: number; to: number }) =>
  untrueOf(news, { holds, ended });

it.each([
  ["Error: smbclient: NT_STATUS_SHARING_VIOLATION opening remote file \\in\\a", true],
  ["Error: @marsaud/smb2: STATUS_ACCESS_DENIED", true],
  ["Error: smbprotocol: [Error 13] [NtStatus 0xc0000043] The process cannot access the file", true],
  ["Error: smbclient: NT_STATUS_IO_TIMEOUT opening remote file \\in\\a", false],
  ["Error: @marsaud/smb2: STATUS_PENDING", false],
  ["Error: @marsaud/smb2 has not written in/a within 120 s", false],
])("%s is a refusal: %s", (error, expected) => {
  expect(isRefusal(error)).toBe(expected);
});

describe("the judge of ready files", () => {
  it("does not judge what a writer left that failed half-way, and judges all others", () => {
    const judge = new Judge("/nowhere");
    judge.giveUp("in/a-1");
    judge.tell(told({ path: "in/a-1.bin" }));
    judge.tell(told({ path: "in/a-1-first.bin" }));
    judge.tell(told({ path: "in/a-12.bin" }));
    expect(judge.untrue()).toEqual(["in/a-12.bin: told, and nobody wrote it"]);
  });

  it("has nothing against a file told after its writer had closed it", () => {
    expect(judge(told(), [hold(10_000, 15_000)])).toEqual([]);
  });

  it("does not know what was in a file while its writer tried in vain, and knows it before and after", () => {
    const tried = { ...hold(25_000, 26_000, 30), triedAt: 12_000 };
    expect(judge(told({ size: 4 }), [tried])).toEqual([]);
    expect(judge(told({ size: 4, at: 11_000 }), [tried]).join()).toContain("with 4 bytes");
    expect(judge(told({ size: 4, at: 30_000 }), [tried]).join()).toContain("with 4 bytes, not 30");
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
