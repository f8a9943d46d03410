import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ManualClock } from "../../../../src/base/clock.ts";
import { type CanonicalPath, joinPath } from "../../../../src/base/path.ts";
import type { Stage } from "../../../../src/watch/deliver/active-interest.ts";
import { deliveryStage } from "../../../../src/watch/deliver/delivery.ts";
import type { Change, WatchEvent } from "../../../../src/watch/events.ts";
import { MirrorTree } from "../../../../src/watch/mirror/tree.ts";
import type { NameLookup } from "../../../../src/watch/rescan/index.ts";
import type { EntryInfo } from "../../../../src/watch/source.ts";

const SETTLE_MS = 100;

/** What has been taken in, what is told of it with `stat` and `settleMs`, and whoever joins in between. */
class Scene {
  readonly clock = new ManualClock();
  readonly told: string[] = [];
  /** Takes changes in when they are said, as the picture of a share does; who joins begins with it. */
  readonly picture = new MirrorTree("/", true);
  readonly joined: { readonly tree: MirrorTree; readonly from: number }[] = [];
  /** Of the next looks; each sees what is there when it is answered. */
  latencyMs = 0;
  #number = 0;
  readonly #stage: Stage;

  constructor() {
    const { clock } = this;
    const look = (path: CanonicalPath, names: readonly string[]): Promise<Map<string, EntryInfo>> =>
      new Promise((resolve) => {
        clock.after(this.latencyMs, () => resolve(this.#seen(path, names)));
      });
    const stage = deliveryStage({
      stat: true,
      settleMs: SETTLE_MS,
      clock,
      lookup: { look } as unknown as NameLookup,
      ready: undefined,
    });
    if (stage === undefined) throw new Error("nothing to pass through");
    this.#stage = stage({
      out: (event, number) => this.#hear(event, number),
      number: () => ++this.#number,
      statusChanged: () => undefined,
    });
  }

  say(path: CanonicalPath, ...changes: Change[]): void {
    this.picture.apply(path, changes);
    this.#stage.push({ type: "changes", path, via: "notify", changes }, ++this.#number);
  }

  /** Somebody takes a snapshot, and hears what is told from now on. */
  join(): void {
    const withheld = this.#stage.withheld();
    const tree = new MirrorTree("/", true);
    const directories = [...this.picture.directories()].map(({ path, entries }) => ({
      path,
      entries: entries.filter(({ name }) => !withheld.has(joinPath(path, name))),
    }));
    tree.load(directories);
    this.joined.push({ tree, from: this.#number });
  }

  namesOf(tree: MirrorTree): string[] {
    return [...tree.walk()].map(([path]) => path).sort();
  }

  #seen(path: CanonicalPath, names: readonly string[]): Map<string, EntryInfo> {
    const found = new Map<string, EntryInfo>();
    for (const name of names) {
      const entry = this.picture.get(joinPath(path, name));
      if (entry === undefined) continue;
      const type = /[a-z]/.test(name) ? "file" : "directory";
      found.set(name, { type, size: 1, modified: 0n } as EntryInfo);
    }
    return found;
  }

  #hear(event: WatchEvent, number: number): void {
    if (event.type !== "changes") return;
    for (const { action, name } of event.changes)
      this.told.push(`${number}: ${action} ${joinPath(event.path, name)}`);
    for (const { tree, from } of this.joined)
      if (number > from) tree.apply(event.path, event.changes, event.via);
  }
}

describe("what changes pass through on their way", () => {
  it("tells what has settled behind what was taken in before, and in that order", async () => {
    const scene = new Scene();
    scene.say("/", { action: "added", name: "D" });
    await scene.clock.advance(0);
    scene.say("/D", { action: "added", name: "f" });
    await scene.clock.advance(SETTLE_MS - 10);
    // By whom the directory was removed and made again is looked at when the file falls due.
    scene.latencyMs = 50;
    scene.say("/", { action: "removed", name: "D" }, { action: "added", name: "D" });
    await scene.clock.advance(20);
    scene.join();
    await scene.clock.advance(1_000);
    expect(scene.told).toEqual(["1: added /D", "3: removed /D", "3: added /D"]);
    expect(scene.joined.map(({ tree }) => scene.namesOf(tree))).toEqual([["/D"]]);
  });

  it("shows in a snapshot what has its number, and is told behind what is on its way", async () => {
    const scene = new Scene();
    scene.say("/", { action: "added", name: "f" });
    await scene.clock.advance(SETTLE_MS - 10);
    scene.latencyMs = 50;
    scene.say("/", { action: "added", name: "D" });
    await scene.clock.advance(20);
    scene.join();
    await scene.clock.advance(1_000);
    expect(scene.told).toEqual(["2: added /D", "3: added /f"]);
    expect(scene.joined.map(({ tree }) => scene.namesOf(tree))).toEqual([["/D", "/f"]]);
  });

  it("shows what is told at once for all that it was held, because nobody can look at it any more", async () => {
    const scene = new Scene();
    scene.say("/", { action: "added", name: "f" });
    await scene.clock.advance(10);
    scene.latencyMs = 6_000;
    scene.say("/", { action: "modified", name: "f" });
    scene.join();
    await scene.clock.advance(10_000);
    expect(scene.told).toEqual(["2: added /f"]);
    expect(scene.joined.map(({ tree }) => scene.namesOf(tree))).toEqual([["/f"]]);
  });

  it("leaves everybody with what is there, whenever they joined", async () => {
    const file = fc.constantFrom("f", "g");
    const directory = fc.constantFrom("D", "E");
    const step = fc.oneof(
      fc.record({
        do: fc.constantFrom("added" as const, "modified" as const, "removed" as const),
        at: directory,
        name: file,
      }),
      fc.record({
        do: fc.constantFrom("added" as const, "removed" as const),
        at: fc.constant(""),
        name: directory,
      }),
      fc.record({ do: fc.constant("renamed" as const), at: directory, name: file }),
      fc.record({ do: fc.constant("renamed" as const), at: fc.constant(""), name: directory }),
    );
    const moment = fc.record({
      step,
      wait: fc.nat(60),
      latencyMs: fc.constantFrom(0, 60, 200),
      joins: fc.boolean(),
    });
    const history = fc.array(moment, { minLength: 10, maxLength: 60 });
    await fc.assert(
      fc.asyncProperty(history, async (steps) => {
        const scene = new Scene();
        for (const { step, wait, latencyMs, joins } of steps) {
          scene.latencyMs = latencyMs;
          play(scene, step.do, `/${step.at}`, step.name);
          await scene.clock.advance(wait);
          if (joins) scene.join();
        }
        await scene.clock.advance(20_000);
        const there = scene.namesOf(scene.picture);
        for (const { tree } of scene.joined) expect(scene.namesOf(tree)).toEqual(there);
        expect(scene.clock.pending).toBe(0);
      }),
      { numRuns: Number(process.env["DELIVERY_RUNS"] ?? 300) },
    );
  });
});

/** What comes nearest to it as things are. */
function play(scene: Scene, what: Change["action"], path: CanonicalPath, name: string): void {
  const isThere = (one: string): boolean => scene.picture.get(joinPath(path, one)) !== undefined;
  const target = { f: "g", g: "f", D: "E", E: "D" }[name] ?? name;
  if (path !== "/" && scene.picture.get(path) === undefined) play(scene, "added", "/", path.slice(1));
  if (!isThere(name)) scene.say(path, { action: "added", name });
  else if (what === "renamed" && !isThere(target))
    scene.say(path, { action: what, name: target, oldName: name });
  else scene.say(path, { action: what === "modified" ? what : "removed", name });
}
