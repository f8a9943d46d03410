import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ManualClock } from "../../../src/base/clock.ts";
import { RefBook } from "../../../src/fleet/refs.ts";
import { MemoryBucket } from "./memory-bucket.ts";

let bucket: MemoryBucket;
let clock: ManualClock;
let lease: string | undefined;
let book: RefBook;
beforeEach(() => {
  bucket = new MemoryBucket();
  clock = new ManualClock();
  lease = "me";
  book = new RefBook({ bucket, clock, lease: () => lease, caseSensitive: () => false });
});
afterEach(async () => {
  await book.close();
  expect(clock.pending).toBe(0);
});

const dir = (path: string) => ({ connection: "nas1", path, recursive: false });
const keys = (): string[] => [...bucket.entries.keys()].sort();

describe("RefBook", () => {
  it("writes one ref for many holders, and removes it a linger after the last", async () => {
    const releases = [book.hold(dir("/a")), book.hold(dir("/a"))];
    await clock.advance(0);
    expect(keys()).toEqual(["ref.me.nas1.a.=d"]);
    expect(book.isStored(dir("/a"))).toBe(true);
    expect(bucket.log).toHaveLength(1);
    releases[0]?.();
    releases[0]?.();
    await clock.advance(20_000);
    expect(keys()).toHaveLength(1);
    releases[1]?.();
    await clock.advance(9_000);
    expect(keys()).toHaveLength(1);
    await clock.advance(1_001);
    expect(keys()).toEqual([]);
  });

  it("keeps the ref when someone comes back within the linger", async () => {
    book.hold(dir("/a"))();
    await clock.advance(5_000);
    book.hold(dir("/a"));
    await clock.advance(60_000);
    expect(bucket.log).toEqual(["create ref.me.nas1.a.=d"]);
  });

  it("writes everything again under another lease", async () => {
    book.hold(dir("/a"));
    book.hold({ ...dir("/b"), recursive: true });
    await clock.advance(0);
    lease = undefined;
    book.sync();
    await clock.advance(0);
    expect(book.isStored(dir("/a"))).toBe(false);
    lease = "again";
    book.sync();
    await clock.advance(0);
    expect(keys()).toEqual([
      "ref.again.nas1.a.=d",
      "ref.again.nas1.b.=t",
      "ref.me.nas1.a.=d",
      "ref.me.nas1.b.=t",
    ]);
  });

  it("tries again while the broker is away", async () => {
    bucket.failing = "lost";
    book.hold(dir("/a"));
    await clock.advance(3_000);
    expect(book.isStored(dir("/a"))).toBe(false);
    bucket.failing = undefined;
    await clock.advance(6_000);
    expect(book.isStored(dir("/a"))).toBe(true);
  });

  it("replaces a stranger's value under its key", async () => {
    bucket.put("ref.me.nas1.a.=d", "garbage");
    book.hold(dir("/a"));
    await clock.advance(0);
    expect(bucket.json("ref.me.nas1.a.=d")).toEqual(dir("/a"));
  });

  it("writes a ref again that somebody deleted", async () => {
    book.hold(dir("/a"));
    await clock.advance(0);
    bucket.remove("ref.me.nas1.a.=d");
    book.forget("ref.me.nas1.a.=d");
    await clock.advance(0);
    expect(keys()).toEqual(["ref.me.nas1.a.=d"]);
  });
});
