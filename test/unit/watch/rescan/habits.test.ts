import { describe, expect, it } from "vitest";
import { Habits } from "../../../../src/watch/rescan/habits.ts";

describe("what a share has shown of itself", () => {
  it("is that new files are listed at once, where one was", () => {
    const habits = new Habits();
    habits.listed("file", undefined);
    habits.listed("file", 2_000);
    expect(habits.showsNew).toBe(false);
    habits.listed("file", 1_999);
    expect(habits.showsNew).toBe(true);
  });

  it("is nothing where it was a directory: Samba 4.22 hides new files only", () => {
    const habits = new Habits();
    habits.listed("directory", 0);
    expect(habits.showsNew).toBe(false);
  });

  it("is believed no longer once it has hidden something", () => {
    const habits = new Habits();
    habits.listed("file", 0);
    habits.hid();
    habits.listed("file", 0);
    expect(habits).toMatchObject({ hides: true, showsNew: false });
  });
});
