import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Kinship } from "../../../../src/broker/publish/kinship.ts";
import { type Draft, type Lane, WatchQueue } from "../../../../src/broker/publish/outbox.ts";
import type { Change } from "../../../../src/watch/events.ts";
import { seeded } from "../../../support/random.ts";

describe("kinship", () => {
  it("holds what lies below back until its directory has been told of", () => {
    const order = new Kinship<string>();
    const parent = order.enter("/a", ["b"]);
    const child = order.enter("/a/b", ["x"]);
    const deeper = order.enter("/a/b/c", ["x"]);
    const beside = order.enter("/a/d", ["x"]);
    expect([child, deeper, beside].map((number) => order.blocker(number))).toEqual([
      parent,
      parent,
      undefined,
    ]);
    order.wait(parent, "child");
    expect(order.settle(parent)).toEqual(["child"]);
    expect(order.blocker(child)).toBeUndefined();
  });

  it("holds the end of a directory back until all has been told of it", () => {
    const order = new Kinship<string>();
    const deep = order.enter("/a/b/c", ["x"]);
    const other = order.enter("/a", ["z"]);
    const end = order.enter("/a", ["b"]);
    const whole = order.enter("/", undefined);
    expect(order.blocker(other)).toBeUndefined();
    expect(order.blocker(end)).toBe(deep);
    expect(order.blocker(whole)).toBe(deep);
    order.settle(deep);
    expect(order.blocker(end)).toBeUndefined();
    expect(order.blocker(whole)).toBe(other);
  });

  it("lets nothing overtake by joining an earlier message", () => {
    const order = new Kinship<string>();
    const parent = order.enter("/a", ["b"]);
    order.enter("/a/b", ["x"]);
    expect(order.mayJoin(parent, ["other"])).toBe(true);
    expect(order.mayJoin(parent, ["b"])).toBe(false);
    const child = order.enter("/a/c", ["x"]);
    order.enter("/a", ["c"]);
    expect(order.mayJoin(child, ["y"])).toBe(false);
  });

  it("forgets what is settled, all parts of it", () => {
    const order = new Kinship<string>();
    const parent = order.enter("/", ["b"]);
    order.split(parent);
    const child = order.enter("/b", ["x"]);
    order.settle(parent);
    expect(order.blocker(child)).toBe(parent);
    order.settle(parent);
    expect(order.blocker(child)).toBeUndefined();
    expect(order.settle(parent)).toEqual([]);
  });
});

interface Folder {
  readonly children: Map<string, Folder | undefined>;
}
const folder = (): Folder => ({ children: new Map() });

/** As a consumer does: what is told of a directory it does not know is lost on it. */
function apply(root: Folder, path: string, change: Change): void {
  let at: Folder | undefined = root;
  for (const name of path.split("/").filter((segment) => segment !== "")) at = at?.children.get(name);
  if (at === undefined) return;
  const { action, name, oldName = "" } = change;
  if (action === "removed") at.children.delete(name);
  else if (action === "added") at.children.set(name, name.startsWith("d") ? folder() : undefined);
  else if (action === "renamed") {
    const moved = at.children.get(oldName);
    at.children.delete(oldName);
    at.children.set(name, moved ?? (name.startsWith("d") ? folder() : undefined));
  }
}

function paths(root: Folder, at = ""): string[] {
  return [...root.children].flatMap(([name, below]) => [
    `${at}/${name}`,
    ...(below === undefined ? [] : paths(below, `${at}/${name}`)),
  ]);
}

describe("the queue of a tree", () => {
  it("keeps the picture of a simple consumer true, however the broker delays single directories", () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 80 }), (seed, steps) => {
        const random = seeded(seed);
        const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
        const queue = new WatchQueue("/", true, (name) => name);
        const limits = { maxMessages: 1e6, maxBytes: 1e9, maxMessageBytes: 1e6, maxChanges: 4 };
        const truth = folder();
        const consumer = folder();
        const flying: { readonly lane: Lane; readonly draft: Draft }[] = [];
        const tell = (path: string, change: Change): void => {
          apply(truth, path, change);
          const event = { type: "changes", path, via: "notify", changes: [change] } as const;
          queue.addChanges(queue.lane(path, path), event, limits, { time: 0, since: 0 });
        };
        const send = (): void => {
          const free = [...queue.lanes.values()].filter(
            (lane) => !lane.busy && !lane.waiting && lane.drafts.length > 0,
          );
          if (free.length === 0) return;
          const lane = pick(free);
          if (queue.mustWait(lane)) return;
          const draft = queue.take(lane);
          if (draft === undefined) return;
          lane.busy = true;
          flying.push({ lane, draft });
        };
        const store = (): void => {
          const [stored] = flying.splice(Math.floor(random() * flying.length), 1);
          if (stored === undefined) return;
          const { lane, draft } = stored;
          if ("changes" in draft)
            for (const change of draft.changes) apply(consumer, draft.event.path, change);
          lane.busy = false;
          queue.outstanding--;
          queue.settle(draft.order);
          queue.takeFreed();
        };
        for (let serial = 0; serial < steps; serial++) {
          const directories = ["/", ...paths(truth).filter((path) => /\/d[^/]*$/.test(path))];
          const path = pick(directories);
          const names = paths(truth)
            .filter((one) => one.slice(0, one.lastIndexOf("/") || 1) === path)
            .map((one) => one.slice(one.lastIndexOf("/") + 1));
          const kind = random();
          const name = `${random() < 0.5 ? "d" : "f"}${Math.floor(random() * 4)}`;
          if (kind < 0.6 || names.length === 0) {
            if (!names.includes(name)) tell(path, { action: "added", name });
          } else if (kind < 0.8) tell(path, { action: "removed", name: pick(names) });
          else {
            const oldName = pick(names);
            const to = `${oldName.charAt(0)}${serial + 10}`;
            tell(path, { action: "renamed", name: to, oldName });
          }
          for (let i = Math.floor(random() * 4); i > 0; i--) (random() < 0.6 ? send : store)();
        }
        for (let left = 100_000; queue.outstanding > 0 && left > 0; left--) (random() < 0.5 ? send : store)();
        expect(queue.outstanding).toBe(0);
        expect(paths(consumer).sort()).toEqual(paths(truth).sort());
      }),
      { numRuns: 300 },
    );
  });
});
