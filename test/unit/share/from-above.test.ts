import { describe, expect, it } from "vitest";
import { deferred } from "../../../src/base/async.ts";
import { DirectoryFromAbove } from "../../../src/share/from-above.ts";
import type { EntryInfo, NotifyOutcome, NotifyRecord, WatchedDirectory } from "../../../src/watch/source.ts";

const INFO: EntryInfo = {
  type: "directory",
  fileId: 7n,
  created: 1n,
  modified: 2n,
  changed: 3n,
  size: 0,
  attributes: 16,
};
const [ADDED, REMOVED, MODIFIED, OLD, NEW] = [1, 2, 3, 4, 5];

/** What becomes of one answer of the share's root for somebody whose root is `/Media/Photos`. */
async function below(outcome: NotifyOutcome): Promise<NotifyOutcome> {
  const answer = deferred<NotifyOutcome>();
  const root: WatchedDirectory = {
    path: "/",
    info: { ...INFO, fileId: 1n },
    arm: () => ({ accepted: Promise.resolve(true), outcome: answer.promise, cancel: () => undefined }),
    close: async () => undefined,
  };
  const directory = new DirectoryFromAbove(root, "/Media/Photos", INFO);
  expect(directory.info).toBe(INFO);
  const armed = directory.arm({ recursive: true, filter: 0x1f });
  answer.resolve(outcome);
  return armed.outcome;
}

const records = (...all: [action: number, name: string][]): NotifyOutcome => ({
  type: "records",
  records: all.map(([action, name]): NotifyRecord => ({ action, name })),
});

describe("a directory heard from the share's root", () => {
  it("hears what happens in it, by names of its own, whatever the case of its own name", async () => {
    const told = records(
      [ADDED, "Media/Photos/a"],
      [MODIFIED, "media/PHOTOS/Sub/b.jpg"],
      [REMOVED, "Other/x"],
    );
    expect(await below(told)).toEqual(records([ADDED, "a"], [MODIFIED, "Sub/b.jpg"]));
  });

  it("hears nothing of its neighbours, nor of times and attributes of its own and of what it lies in", async () => {
    const told = records(
      [ADDED, "Media/Photos 2/a"],
      [MODIFIED, "Media"],
      [MODIFIED, "Media/Photos"],
      [OLD, "x"],
    );
    expect(await below(told)).toEqual(records());
  });

  it.each([
    ["it is removed", records([REMOVED, "Media/Photos"])],
    ["what it lies in is renamed", records([OLD, "Media"], [NEW, "Media (old)"])],
    ["it is made again", records([ADDED, "Media/photos"], [ADDED, "Media/photos/a"])],
  ])("has to be opened again when %s", async (_what, told) => {
    expect(await below(told)).toEqual({ type: "cleanup" });
  });

  it("passes on what is no list of names", async () => {
    expect(await below({ type: "overflow" })).toEqual({ type: "overflow" });
  });
});
