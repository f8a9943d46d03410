import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ManualClock } from "../../../../src/base/clock.ts";
import { Coalescer, type LocatedChange, RENAME_HALF_MS } from "../../../../src/watch/handle/coalesce.ts";

function bench(recursive = true): { clock: ManualClock; coalescer: Coalescer; late: LocatedChange[] } {
  const clock = new ManualClock();
  const late: LocatedChange[] = [];
  return { clock, late, coalescer: new Coalescer(clock, recursive, (change) => late.push(change)) };
}

const text = (changes: readonly LocatedChange[]): string[] =>
  changes.map(({ directory, change: { action, name, oldName, stream } }) =>
    [directory, action, oldName, name, stream ? "stream" : undefined]
      .filter((part) => part !== undefined)
      .join(" ")
      .trim(),
  );

describe("coalescing", () => {
  it("pairs the halves of a rename inside one reply and across two", () => {
    const { coalescer, clock } = bench();
    expect(
      text(
        coalescer.push([
          { action: 4, name: "d/a" },
          { action: 5, name: "d/b" },
        ]).changes,
      ),
    ).toEqual(["d renamed a b"]);
    expect(text(coalescer.push([{ action: 4, name: "b" }]).changes)).toEqual([]);
    expect(text(coalescer.push([{ action: 5, name: "c" }]).changes)).toEqual(["renamed b c"]);
    expect(clock.pending).toBe(0);
  });

  it("tells a half nobody completes as what it is", async () => {
    const { coalescer, clock, late } = bench();
    expect(text(coalescer.push([{ action: 5, name: "in" }]).changes)).toEqual(["added in"]);
    coalescer.push([{ action: 4, name: "out" }]);
    await clock.advance(RENAME_HALF_MS - 1);
    expect(late).toEqual([]);
    await clock.advance(1);
    expect(text(late)).toEqual(["removed out"]);
    expect(coalescer.flush()).toEqual([]);
  });

  it("does not blame the server for a stall of ours: the other half may lie unread", async () => {
    const clock = new ManualClock();
    let stalled = 0;
    const late: LocatedChange[] = [];
    const coalescer = new Coalescer(
      {
        monotonic: () => clock.monotonic() + stalled,
        now: () => clock.now(),
        after: (ms, fn) => clock.after(ms, fn),
      },
      true,
      (change) => late.push(change),
    );
    coalescer.push([{ action: 4, name: "a" }]);
    stalled = 5_000;
    await clock.advance(RENAME_HALF_MS);
    expect(late).toEqual([]);
    expect(text(coalescer.push([{ action: 5, name: "b" }]).changes)).toEqual(["renamed a b"]);
    coalescer.push([{ action: 4, name: "b" }]);
    stalled = 10_000;
    await clock.advance(2 * RENAME_HALF_MS);
    expect(text(late)).toEqual(["removed b"]);
    expect(clock.pending).toBe(0);
  });

  it("keeps the order when the half-renamed name is spoken of again", () => {
    const { coalescer } = bench();
    const { changes } = coalescer.push([
      { action: 4, name: "a" },
      { action: 1, name: "a" },
      { action: 5, name: "b" },
    ]);
    expect(text(changes)).toEqual(["removed a", "added a", "added b"]);
  });

  describe("of directories that a server makes under temporary names", () => {
    const temporary = true;
    const making = (action: number, of = "d1") =>
      ({ action, name: `.::TMPNAME:D:1%2:${of}`, temporary }) as const;

    // As answers of Samba 4.22.11 (the first two) and 4.25.1 came on 2026-11-29.
    it.each([
      { answers: [[making(1)], [making(3)], [making(4), { action: 5, name: "d1" }]] },
      { answers: [[making(1), making(3), making(4), { action: 5, name: "d1" }]] },
      { answers: [[making(3, "uuid")], [{ action: 1, name: "d1" }]] },
      { answers: [[making(3, "uuid"), making(4, "uuid"), { action: 5, name: "d1" }]] },
      // Halves apart, which takes several handles on the directory and a busy server.
      { answers: [[making(1)], [making(3)], [making(4)], [{ action: 5, name: "d1" }]] },
    ])("tells one addition: $answers", ({ answers }) => {
      const { coalescer, clock } = bench();
      const pushed = answers.map((records) => coalescer.push(records));
      expect(pushed.some(({ doubtful }) => doubtful)).toBe(false);
      expect(text(pushed.flatMap(({ changes }) => changes))).toEqual(["added d1"]);
      expect(clock.pending).toBe(0);
    });

    it("tells nothing where one is given up", async () => {
      const { coalescer, clock, late } = bench();
      expect(coalescer.push([making(1), making(2)])).toEqual({ changes: [], doubtful: false });
      coalescer.push([making(4)]);
      await clock.advance(RENAME_HALF_MS);
      coalescer.push([making(4)]);
      expect(coalescer.flush()).toEqual([]);
      coalescer.push([making(4)]);
      expect(text(coalescer.push([making(4, "d2"), { action: 5, name: "d2" }]).changes)).toEqual([
        "added d2",
      ]);
      expect(late).toEqual([]);
    });

    it("does not give its new name to another's rename", () => {
      const { coalescer } = bench();
      const { changes } = coalescer.push([
        { action: 4, name: "a" },
        making(1),
        making(4),
        { action: 5, name: "d1" },
        { action: 5, name: "b" },
      ]);
      expect(text(changes)).toEqual(["removed a", "added d1", "added b"]);
    });

    it("tells what is renamed to such a name as gone", () => {
      const { coalescer } = bench();
      expect(text(coalescer.push([{ action: 4, name: "a" }, making(5)]).changes)).toEqual(["removed a"]);
    });
  });

  describe("of names that were renamed away", () => {
    const rename = [
      { action: 4, name: "doc" },
      { action: 5, name: "doc~" },
    ];
    const removed = { action: 2, name: "doc" };
    const added = { action: 1, name: "doc" };

    it("says nothing of their removal: Samba 4.25 tells that after each rename", () => {
      const { coalescer } = bench();
      coalescer.push(rename);
      expect(coalescer.push([removed])).toEqual({ changes: [], doubtful: false });
      expect(text(coalescer.push([added, removed]).changes)).toEqual(["added doc", "removed doc"]);
    });

    it("believes the removal of one that has come back, of a server that was never heard to repeat any", () => {
      const { coalescer } = bench();
      coalescer.push(rename);
      expect(text(coalescer.push([added]).changes)).toEqual(["added doc"]);
      const { changes, doubtful } = coalescer.push([removed]);
      expect(text(changes)).toEqual(["removed doc"]);
      expect(doubtful).toBe(false);
      // One rename, one such removal.
      expect(text(coalescer.push([{ action: 3, name: "doc" }, removed]).changes)).toEqual([
        "modified doc",
        "removed doc",
      ]);
    });

    it("has it looked at where that server is known to do so", () => {
      const { coalescer } = bench();
      coalescer.push([
        ...rename,
        removed,
        added,
        { action: 4, name: "doc" },
        { action: 5, name: "doc~" },
        added,
      ]);
      const { changes, doubtful } = coalescer.push([removed]);
      expect(text(changes)).toEqual(["modified doc"]);
      expect(doubtful).toBe(false);
    });

    it("believes it later on", async () => {
      const { coalescer, clock } = bench();
      coalescer.push([...rename, added]);
      await clock.advance(5_000);
      expect(text(coalescer.push([removed]).changes)).toEqual(["removed doc"]);
    });
  });

  it("splits a pair that spans directories", () => {
    const { coalescer } = bench();
    expect(
      text(
        coalescer.push([
          { action: 4, name: "x/a" },
          { action: 5, name: "y/a" },
        ]).changes,
      ),
    ).toEqual(["x removed a", "y added a"]);
  });

  it("tells streams as a change of their file", () => {
    const { coalescer } = bench();
    const { changes } = coalescer.push([
      { action: 8, name: "a.txt:zone:$DATA" },
      { action: 6, name: "b" },
    ]);
    expect(text(changes)).toEqual(["modified a.txt stream", "modified b stream"]);
  });

  it.each([
    { action: 99, name: "x" },
    { action: 1, name: "" },
    { action: 1, name: "../x" },
    { action: 1, name: "a//b" },
    { action: 1, name: "a\0b" },
  ])("is in doubt about $action $name, and keeps the rest", (odd) => {
    const { coalescer } = bench();
    const { changes, doubtful } = coalescer.push([{ action: 1, name: "a" }, odd, { action: 2, name: "b" }]);
    expect(doubtful).toBe(true);
    expect(text(changes)).toEqual(["added a", "removed b"]);
  });

  it("is in doubt about a sub-directory where it did not ask for any", () => {
    expect(bench(false).coalescer.push([{ action: 1, name: "a/b" }])).toEqual({
      changes: [],
      doubtful: true,
    });
  });

  it("never loses the last state of a name, however records are cut into replies", () => {
    const record = fc.record({ action: fc.constantFrom(1, 2, 3), name: fc.constantFrom("a", "b", "c") });
    const rename = fc
      .tuple(fc.constantFrom("a", "b", "c"), fc.constantFrom("a", "b", "c"))
      .map(([from, to]) => [
        { action: 4, name: from },
        { action: 5, name: to },
      ]);
    const history = fc.array(
      fc.oneof(
        record.map((one) => [one]),
        rename,
      ),
      { maxLength: 30 },
    );
    fc.assert(
      fc.property(history, fc.array(fc.nat(4)), (parts, cuts) => {
        const records = parts.flat();
        const expected = new Map<string, boolean>();
        // Removed, says the server, and it had come back since it was renamed away: to be looked at.
        const away = new Map<string, boolean>();
        const unsure = new Set<string>();
        for (const [at, { action, name }] of records.entries()) {
          const before = records[at - 1];
          // Told twice, and so once.
          if (action === 2 && before?.action === 2 && before.name === name) continue;
          if (action !== 3) unsure.delete(name);
          if (action === 2 && away.get(name) === true) unsure.add(name);
          if (action === 2) away.delete(name);
          else if (action === 4) away.set(name, false);
          else if (action !== 3 && away.has(name)) away.set(name, true);
          if (action === 1 || action === 5) expected.set(name, true);
          else if (action === 2 || action === 4) expected.set(name, false);
        }
        const { coalescer } = bench();
        const told = new Map<string, boolean>();
        const modified = new Set<string>();
        const listen = (changes: readonly LocatedChange[]): void => {
          for (const { change } of changes) {
            if (change.oldName !== undefined) told.set(change.oldName, false);
            if (change.action === "modified") modified.add(change.name);
            else told.set(change.name, change.action !== "removed");
          }
        };
        const rest = [...records];
        for (const cut of cuts) listen(coalescer.push(rest.splice(0, cut)).changes);
        listen(coalescer.push(rest).changes);
        listen(coalescer.flush());
        for (const name of unsure) for (const names of [told, expected]) names.delete(name);
        expect(told).toEqual(expected);
        for (const { action, name } of records) if (action === 3) expect(modified).toContain(name);
      }),
    );
  });
});
