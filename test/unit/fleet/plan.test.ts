import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { covers, overlaps, watchKey } from "../../../src/fleet/identity.ts";
import { planWatches } from "../../../src/fleet/plan.ts";
import type { WatchTarget } from "../../../src/fleet/port.ts";
import { servingClaim, stateOfClaim } from "../../../src/fleet/serving.ts";

const folds = (): boolean => false;
const keeps = (): boolean => true;
const dir = (path: string, connection = "nas1"): WatchTarget => ({ connection, path, recursive: false });
const tree = (path: string, connection = "nas1"): WatchTarget => ({ connection, path, recursive: true });

const targets = fc.array(
  fc.record({
    connection: fc.constantFrom("nas1", "nas2"),
    path: fc
      .array(fc.constantFrom("a", "A", "b", "c"), { maxLength: 4 })
      .map((segments) => `/${segments.join("/")}`),
    recursive: fc.boolean(),
  }),
  { maxLength: 40 },
);

describe("planWatches", () => {
  it("serves every interest by exactly one covering watch", () => {
    fc.assert(
      fc.property(targets, fc.boolean(), (interests, sensitive) => {
        const caseSensitive = (): boolean => sensitive;
        const plan = [...planWatches(interests, { caseSensitive }).values()];
        for (const target of interests) {
          const served = plan.filter((watch) => watch.interests.includes(target));
          expect(served).toHaveLength(1);
          expect(covers(served[0]!.target, target, caseSensitive)).toBe(true);
        }
        expect(plan.flatMap((watch) => watch.interests)).toHaveLength(interests.length);
      }),
    );
  });

  it("gives no directory two publishers", () => {
    fc.assert(
      fc.property(targets, fc.boolean(), (interests, sensitive) => {
        const caseSensitive = (): boolean => sensitive;
        const plan = [...planWatches(interests, { caseSensitive }).values()];
        for (const a of plan) {
          for (const b of plan) {
            if (a !== b) expect(overlaps(a.target, b.target, caseSensitive)).toBe(false);
          }
        }
      }),
    );
  });

  it("does not depend on the order of interests", () => {
    const flat = (interests: WatchTarget[]): unknown =>
      [...planWatches(interests, { caseSensitive: folds }).values()]
        .map(({ key, target }) => ({ key, target }))
        .sort((a, b) => (a.key < b.key ? -1 : 1));
    fc.assert(
      fc.property(targets, (interests) => {
        expect(flat([...interests].reverse())).toEqual(flat(interests));
      }),
    );
  });

  it("folds case where the server does", () => {
    const interests = [dir("/Media"), dir("/media"), tree("/MEDIA/x")];
    expect(planWatches(interests, { caseSensitive: folds }).size).toBe(2);
    expect(planWatches(interests, { caseSensitive: keeps }).size).toBe(3);
  });

  it("does not let a refused tree swallow its children", () => {
    const refused = watchKey(tree("/x"), folds);
    const plan = planWatches([tree("/x"), dir("/x/y")], {
      caseSensitive: folds,
      cannotCover: (key) => key === refused,
    });
    expect([...plan.keys()].sort()).toEqual([watchKey(dir("/x/y"), folds), refused].sort());
  });
});

describe("servingClaim", () => {
  const claim = (target: WatchTarget, state: "starting" | "warm" | "live" | "denied") =>
    [watchKey(target, folds), { ...target, lease: "w1", state, mode: "notify" as const }] as const;

  it("prefers what is live while the cover changes", () => {
    const claims = new Map([claim(tree("/a"), "warm"), claim(dir("/a/b"), "live")]);
    expect(servingClaim(dir("/A/b"), (key) => claims.get(key), folds)).toMatchObject({ path: "/a/b" });
    expect(stateOfClaim(servingClaim(dir("/a/c"), (key) => claims.get(key), folds)).state).toBe("starting");
  });

  it("takes the topmost live claim", () => {
    const claims = new Map([claim(tree("/"), "live"), claim(tree("/a"), "live")]);
    expect(servingClaim(dir("/a/b"), (key) => claims.get(key), folds)).toMatchObject({ path: "/" });
  });

  it("shows a refusal only to those who asked for the refused scope", () => {
    const claims = new Map([claim(tree("/a"), "denied")]);
    const find = (target: WatchTarget) =>
      stateOfClaim(servingClaim(target, (key) => claims.get(key), folds)).state;
    expect(find(tree("/a"))).toBe("denied");
    expect(find(dir("/a/b"))).toBe("unclaimed");
  });
});
