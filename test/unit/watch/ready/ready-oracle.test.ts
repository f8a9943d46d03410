import { describe, expect, it } from "vitest";
import { ManualClock } from "../../../../src/base/clock.ts";
import { type CanonicalPath, joinPath } from "../../../../src/base/path.ts";
import type { WatchHandle, WatchOverrides } from "../../../../src/watch/api.ts";
import type { WatchEvent } from "../../../../src/watch/events.ts";
import { ShareWatcher } from "../../../../src/watch/share-watcher.ts";
import { HeldShare } from "../../../support/fakes/held-share.ts";
import { seeded } from "../../../support/random.ts";

const QUIET_MS = 2_000;

interface Told {
  readonly path: CanonicalPath;
  readonly id: string;
  readonly size: number;
  readonly closed: boolean;
}

/** Writers of all habits on one share, and whoever is told of their files. Sizes never repeat: they name a content. */
class World {
  readonly clock = new ManualClock();
  readonly random: () => number;
  readonly share: HeldShare;
  readonly told: Told[] = [];
  /** Contents that somebody had finished writing, by path. */
  readonly finished = new Map<CanonicalPath, Set<number>>();
  /** Half of them run out of room. */
  readonly maxReady: number;
  #size = 1;

  constructor(seed: number) {
    this.maxReady = seed % 2 === 0 ? 100_000 : 5;
    this.random = seeded(seed);
    this.share = new HeldShare({ clock: this.clock, random: this.random, latencyMs: 20, lagMs: 20 });
    this.share.mkdir("/in");
    this.share.mkdir("/in/deep");
  }

  readonly hear = (event: WatchEvent): void => {
    if (event.type !== "changes") return;
    for (const { action, name, fileId = "", size = -1, closed = false } of event.changes)
      if (action === "ready") this.told.push({ path: joinPath(event.path, name), id: fileId, size, closed });
  };

  async writer(number: number): Promise<void> {
    const { random } = this;
    await this.pause(10_000);
    const directory = random() < 0.3 ? "/in/deep" : "/in";
    const path = `${directory}/f${number}`;
    const habit = Math.floor(random() * 7);
    if (habit === 0) await this.#write(`${path}.part`, path);
    else if (habit === 1) await this.#scan(path);
    else if (habit === 2)
      await this.#save(path, `${directory}/~WRD${number}.tmp`, `${directory}/~WRL${number}.tmp`);
    else await this.#write(path);
    if (habit === 3) {
      await this.pause(20_000);
      await this.#write(path);
    } else if (habit === 4) {
      await this.pause(3_000);
      this.finished.delete(path);
      this.share.remove(path);
    } else if (habit === 5) {
      await this.pause(3_000);
      this.#move(path, `${path}-moved`);
    }
  }

  /** Some pauses are longer than the quiet time, most are not. */
  pause(longest = this.random() < 0.3 ? 3 * QUIET_MS : QUIET_MS / 2): Promise<void> {
    return new Promise((resolve) => this.clock.after(this.random() * longest, resolve));
  }

  async #write(path: CanonicalPath, final: CanonicalPath = path): Promise<void> {
    let size = ++this.#size;
    this.share.write(path, size);
    const close = this.share.hold(path);
    for (let more = Math.floor(this.random() * 4); more > 0; more--) {
      await this.pause();
      size = ++this.#size;
      this.share.write(path, size);
    }
    await this.pause();
    close();
    if (final === path) this.#finish(path, size);
    else this.#move(path, final, size);
  }

  /** Empty first, and nobody has it open then; filled later. */
  async #scan(path: CanonicalPath): Promise<void> {
    this.share.write(path, 0);
    await this.pause(20_000);
    await this.#write(path);
  }

  async #save(path: CanonicalPath, fresh: CanonicalPath, old: CanonicalPath): Promise<void> {
    await this.#write(path);
    await this.pause(10_000);
    const size = ++this.#size;
    this.share.write(fresh, size);
    await this.pause();
    this.share.rename(path, old);
    this.#move(fresh, path, size);
    await this.pause();
    this.share.remove(old);
  }

  #move(from: CanonicalPath, to: CanonicalPath, size: number = this.share.nodeOf(from)?.size ?? -1): void {
    this.share.rename(from, to);
    this.finished.delete(from);
    this.#finish(to, size);
  }

  #finish(path: CanonicalPath, size: number): void {
    this.finished.set(path, (this.finished.get(path) ?? new Set()).add(size));
  }

  watch(overrides: WatchOverrides = {}): { watcher: ShareWatcher; handle: WatchHandle } {
    const watcher = new ShareWatcher(
      this.share,
      { ready: { quietMs: QUIET_MS }, maxReady: this.maxReady },
      { clock: this.clock, random: this.random },
    );
    return { watcher, handle: watcher.watch({ path: "/in", recursive: true }, this.hear, overrides) };
  }

  /** What must be true when nothing has happened for long. */
  judge(): void {
    const wrong: string[] = [];
    const times = new Map<string, number>();
    for (const { path, id, size, closed } of this.told) {
      const key = `${path} ${id} ${size}`;
      times.set(key, (times.get(key) ?? 0) + 1);
      if (!closed) wrong.push(`${path}: told as perhaps open`);
      const own = this.finished.get(path);
      // Of what has gone or moved nobody knows any more.
      if (own !== undefined && !own.has(size)) wrong.push(`${path}: ${size} was not finished`);
    }
    for (const [key, count] of times) if (count > 1) wrong.push(`${key}: told ${count} times`);
    for (const [path, { type }] of this.share.paths("/in")) {
      const size = this.share.nodeOf(joinPath("/in", path.slice(1)))?.size ?? this.share.nodeOf(path)?.size;
      if (type === "directory") continue;
      const last = this.told.filter((each) => each.path === path).at(-1);
      if (last?.size !== size) wrong.push(`${path}: is ${size}, told last as ${last?.size}`);
    }
    for (const [path, at] of this.share.probes) {
      const tooSoon = at.some((time, index) => index > 0 && time - (at[index - 1] ?? 0) < 999);
      if (tooSoon) wrong.push(`${path}: asked about twice within a second`);
    }
    expect(wrong).toEqual([]);
  }
}

describe("ready files, against writers of all habits", () => {
  it.each(Array.from({ length: 20 }, (_, seed) => seed))(
    "tells each content once, finished (seed %d)",
    async (seed) => {
      const world = new World(seed);
      const { watcher, handle } = world.watch();
      await world.clock.advance(500);
      await handle.live;
      const writers = Array.from({ length: 20 }, (_, number) => world.writer(number));
      await world.clock.advance(120_000);
      await Promise.all(writers);
      world.judge();
      expect(world.told.length).toBeGreaterThan(15);
      const closing = watcher.close();
      await world.clock.advance(60_000);
      await closing;
    },
  );

  it.each(Array.from({ length: 10 }, (_, seed) => 100 + seed))(
    "tells each content once over hand-overs and cut connections (seed %d)",
    async (seed) => {
      const world = new World(seed);
      let now = world.watch();
      await world.clock.advance(500);
      await now.handle.live;
      const writers = Array.from({ length: 20 }, (_, number) => world.writer(number));
      for (let turn = 0; turn < 5; turn++) {
        await world.clock.advance(2_000 + world.random() * 4_000);
        if (turn % 2 === 1) {
          world.share.cut();
          await world.clock.advance(world.random() * 3_000);
          world.share.restore();
          continue;
        }
        // As a worker does: the successor is armed, and told what is known, before the owner lets go.
        const record = now.handle.ready?.record;
        const checkpoint = now.handle.checkpoint?.();
        const closing = now.watcher.close();
        now = world.watch(checkpoint === undefined ? {} : { checkpoint });
        if (record !== undefined) now.handle.ready?.adopt(record);
        await world.clock.advance(200);
        await closing;
      }
      await world.clock.advance(150_000);
      await Promise.all(writers);
      world.judge();
      const closing = now.watcher.close();
      await world.clock.advance(60_000);
      await closing;
    },
  );
});
