import { describe, expect, it } from "vitest";
import { file, folder, pageModule } from "./modules.ts";

interface Place {
  readonly connection: string;
  readonly path: string;
  readonly recursive: boolean;
  readonly at: string;
}
const { sizeText, exactSize, timeText, exactTime, kindOf } = await pageModule<{
  sizeText(bytes?: number): string;
  exactSize(bytes?: number): string;
  timeText(time?: string): string;
  exactTime(time?: string): string;
  kindOf(entry: object): string;
}>("format");
const { canonical, parentOf, nameOf, isWithin, stepsTo } = await pageModule<{
  canonical(path: string): string;
  parentOf(path: string): string | undefined;
  nameOf(path: string): string;
  isWithin(path: string, root: string): boolean;
  stepsTo(path: string): { name: string; path: string }[];
}>("paths");
const { hashOf, placesIn } = await pageModule<{
  hashOf(places: readonly Place[]): string;
  placesIn(hash: string): readonly Partial<Place>[];
}>("hash");
const { Lit, LIT_MS } = await pageModule<{
  LIT_MS: number;
  Lit: new () => {
    mark(name: string, action: string, now: number): void;
    of(name: string, now: number): { action: string } | undefined;
    expire(now: number): number | undefined;
  };
}>("lit");

describe("what is told of an entry", () => {
  it.each([
    [0, "0 B"],
    [999, "999 B"],
    [1_000, "1 kB"],
    [999_499, "999 kB"],
    [999_500, "1 MB"],
    [1_234_567, "1.23 MB"],
    [5e12, "5 TB"],
    [Number.MAX_SAFE_INTEGER, "9.01 PB"],
    [undefined, ""],
  ])("%s bytes are %j", (bytes, text) => {
    expect(sizeText(bytes)).toBe(text);
  });

  it("is exact where one points, and nothing where nothing is known", () => {
    expect([exactSize(1), exactSize(1_234_567), exactSize(undefined)]).toEqual([
      "1 byte",
      "1,234,567 bytes",
      "",
    ]);
    expect(timeText("2026-03-04T12:00:00.000Z")).toContain("2026");
    expect(exactTime("2026-03-04T12:00:00.000Z")).toContain("March");
    expect([timeText(undefined), exactTime("never")]).toEqual(["", ""]);
  });

  it("has an icon by its type, then by its ending", () => {
    expect(kindOf(folder("a.jpg"))).toBe("folder");
    expect(kindOf(file("A.JPG"))).toBe("image");
    expect(kindOf(file("a.tar.gz"))).toBe("archive");
    expect(kindOf(file(".jpg"))).toBe("file");
    expect(kindOf(file("constructor"))).toBe("file");
    expect(kindOf({ name: "a.jpg" })).toBe("unknown");
  });
});

describe("paths", () => {
  it("have steps, a parent and a name", () => {
    expect(canonical("a//b/")).toBe("/a/b");
    expect([parentOf("/"), parentOf("/a"), parentOf("/a/b")]).toEqual([undefined, "/", "/a"]);
    expect([nameOf("/"), nameOf("/a/b c")]).toEqual(["", "b c"]);
    expect([isWithin("/ab", "/a"), isWithin("/a/b", "/a"), isWithin("/a", "/")]).toEqual([false, true, true]);
    expect(stepsTo("/a/b").map(({ path }) => path)).toEqual(["/", "/a", "/a/b"]);
  });
});

describe("the address", () => {
  it("keeps what is open, whatever the names", () => {
    const places = [
      { connection: "nas1", path: "/a & b=c/#:%/+", recursive: false, at: "/a & b=c/#:%/+" },
      { connection: "nas2", path: "/t", recursive: true, at: "/t/Ü 😀" },
    ];
    expect(placesIn(hashOf(places))).toEqual([
      { connection: "nas1", path: "/a & b=c/#:%/+", recursive: false },
      { connection: "nas2", path: "/t", recursive: true, at: "/t/Ü 😀" },
    ]);
    expect(placesIn("#watch=nas1:Media/")).toEqual([
      { connection: "nas1", path: "/Media", recursive: false },
    ]);
    expect(placesIn("#watch=:x&watch=none&at=/x&other=a:b&watch=a:/&at=/x")).toEqual([
      { connection: "a", path: "/", recursive: false },
    ]);
    expect(hashOf([])).toBe("#");
  });
});

describe("what has just changed", () => {
  it("is lit for a moment, and what came and was written has come", () => {
    const lit = new Lit();
    lit.mark("a", "added", 0);
    lit.mark("a", "modified", 100);
    lit.mark("b", "modified", 1_000);
    expect(lit.of("a", 200)?.action).toBe("added");
    expect(lit.of("c", 200)).toBeUndefined();
    expect(lit.expire(LIT_MS)).toBe(100);
    expect(lit.of("a", LIT_MS + 100)).toBeUndefined();
    expect(lit.expire(LIT_MS + 100)).toBe(900);
    expect(lit.expire(LIT_MS + 1_000)).toBeUndefined();
    lit.mark("a", "modified", 2 * LIT_MS);
    expect(lit.of("a", 2 * LIT_MS)?.action).toBe("modified");
  });

  it("does not grow without end where everything changes", () => {
    const lit = new Lit();
    for (let i = 0; i < 5_000; i++) lit.mark(`f${i}`, "added", 0);
    expect(lit.of("f0", 0)).toBeUndefined();
    expect(lit.of("f4999", 0)).toBeDefined();
  });
});
