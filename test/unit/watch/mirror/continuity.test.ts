import { describe, expect, it } from "vitest";
import {
  advance,
  CONTINUITY_ROWS,
  compareEpochs,
  judge,
  type MirrorBase,
  type MirrorMessage,
} from "../../../../src/watch/mirror/continuity.ts";
import { seeded } from "../../../support/random.ts";

const BASE: MirrorBase = { epoch: "n-7", told: 10, stored: true };
const changes = (epoch: string, told?: number): MirrorMessage => ({ type: "changes", epoch, told });

describe("whether a message goes on from a snapshot", () => {
  const cases: readonly [string, MirrorBase, MirrorMessage, string][] = [
    ["told before it", BASE, changes("n-7", 10), "old"],
    ["told after it", BASE, changes("n-7", 11), "apply"],
    ["without a number", BASE, changes("n-7"), "apply"],
    ["of a former owner, however new", BASE, changes("n-6", 99), "old"],
    ["of a later owner who goes on", BASE, changes("n-8", 1), "apply"],
    ["of a later owner who cannot know all of it", { ...BASE, stored: false }, changes("n-8", 1), "takeover"],
    ["of another bucket", BASE, changes("m-8", 1), "takeover"],
    ["that cannot be read", BASE, { type: "resync", epoch: "unreadable", reason: "retention" }, "retention"],
    ["a resync before it", BASE, { type: "resync", epoch: "n-7", told: 9, reason: "overflow" }, "old"],
    ["a resync after it", BASE, { type: "resync", epoch: "n-7", told: 11, reason: "overflow" }, "overflow"],
    ["what was dropped", BASE, { type: "resync", epoch: "n-7", reason: "outbox-full" }, "outbox-full"],
    [
      "a resync for others",
      BASE,
      { type: "resync", epoch: "n-7", told: 11, reason: "overflow", picture: "kept" },
      "apply",
    ],
    [
      "how an epoch begins that joins nothing",
      BASE,
      { type: "resync", epoch: "n-8", told: 0, reason: "takeover" },
      "takeover",
    ],
    [
      "the same, once something else of it was heard",
      advance(BASE, changes("n-8", 3)),
      { type: "resync", epoch: "n-8", told: 0, reason: "takeover" },
      "takeover",
    ],
    [
      "the same, before the snapshot",
      { epoch: "n-8", told: 0, stored: true },
      { type: "resync", epoch: "n-8", told: 0, reason: "takeover" },
      "old",
    ],
  ];
  for (const [what, base, message, verdict] of cases) {
    it(`${what}: ${verdict}`, () => expect(judge(base, message)).toBe(verdict));
  }

  it("every row decides something", () => {
    const used = new Set(
      cases.map(([, base, message]) => {
        const order = compareEpochs(message.epoch, base.epoch);
        return CONTINUITY_ROWS.find((row) => row.fits(base, message, order))?.name;
      }),
    );
    expect([...used].sort()).toEqual(CONTINUITY_ROWS.map(({ name }) => name).sort());
  });

  it("orders epochs by their number, and those of one bucket only", () => {
    expect(compareEpochs("n-9", "n-10")).toBe("former");
    expect(compareEpochs("n-10", "n-9")).toBe("later");
    expect(compareEpochs("a-b-2", "a-b-1")).toBe("later");
    for (const odd of ["", "n-", "n", "x-1", "n-1.5x"])
      expect(compareEpochs(odd, "n-9"), odd).toBe("foreign");
  });

  it("whenever a snapshot is taken and however late messages come, every message counts once", () => {
    for (let seed = 1; seed <= 300; seed++) {
      const random = seeded(seed);
      // Owners one after another, each telling some things; nothing of one is stored after the next begins.
      const told: { readonly message: MirrorMessage; readonly at: number }[] = [];
      for (let epoch = 1; epoch <= 3; epoch++) {
        const count = Math.floor(random() * 6);
        for (let number = 1; number <= count; number++) {
          told.push({ message: changes(`n-${epoch}`, number), at: told.length });
        }
      }
      if (told.length === 0) continue;
      const taken = Math.floor(random() * told.length);
      const { epoch, told: number = 0 } = (told[taken] as { message: MirrorMessage }).message;
      let base: MirrorBase = { epoch, told: number, stored: true };
      // Within an epoch they come in any order: directories beside each other, an outbox.
      const order = [...told].sort((a, b) =>
        a.message.epoch === b.message.epoch
          ? random() - 0.5
          : compareEpochs(a.message.epoch, b.message.epoch) === "former"
            ? -1
            : 1,
      );
      const applied: number[] = [];
      for (const { message, at } of order) {
        if (judge(base, message) !== "apply") continue;
        base = advance(base, message);
        applied.push(at);
      }
      expect(
        applied.sort((a, b) => a - b),
        `seed ${seed}`,
      ).toEqual(told.map(({ at }) => at).filter((at) => at > taken));
    }
  });
});
