import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { describeBursts } from "../../../bench/peers/burst.ts";
import { describeCosts } from "../../../bench/peers/directories.ts";
import { describe as describeLatencies } from "../../../bench/peers/latency.ts";
import { parseAnswer } from "../../../bench/peers/lines.ts";
import { along, costPlot, distribution, latencyPlot, logarithmic } from "../../../bench/peers/plots.ts";
import { connectionsTo, parsePss } from "../../../bench/peers/process-cost.ts";
import { reason } from "../../../bench/peers/programs.ts";
import { isEntry, parseNotify } from "../../../bench/peers/smbclient-lines.mjs";

describe("the answers of a listener", () => {
  it("are read, times as milliseconds and names with their blanks", () => {
    expect(parseAnswer("armed 200")).toEqual({ type: "armed", count: 200 });
    expect(parseAnswer("count 3 1 2")).toEqual({ type: "count", names: 3, overflows: 1, compared: 2 });
    expect(parseAnswer("heard 1500000 a b.txt")).toEqual({ type: "heard", at: 1.5, name: "a b.txt" });
    expect(parseAnswer("listed 10 2000000\r")).toEqual({ type: "listed", count: 10, ms: 2 });
    expect(parseAnswer("failed no such share")).toEqual({ type: "failed", why: "no such share" });
  });

  it.each(["", "armed", "count 3 x 2", "heard soon a", "Traceback (most recent call last):"])(
    "are refused where they are none: %j",
    (line) => expect(() => parseAnswer(line)).toThrow(SyntaxError),
  );
});

describe("what smbclient prints", () => {
  it("is a change, or that the server has lost track", () => {
    expect(parseNotify("0001 new folder")).toEqual({ name: "new folder", overflow: false });
    expect(parseNotify("NOTIFY_ENUM_DIR")).toEqual({ name: undefined, overflow: true });
    expect(parseNotify("NOTIFY TIMEOUT")).toEqual({ name: undefined, overflow: false });
  });

  it("is an entry of a listing, but for the two that are everywhere", () => {
    const lines = [
      "  .                                   D        0  Sun Nov 29 18:00:00 2026",
      "  ..                                  D        0  Sun Nov 29 18:00:00 2026",
      "  document-1                          N        0  Sun Nov 29 18:00:00 2026",
      "  .hidden                            DH        0  Sun Nov 29 18:00:00 2026",
      "",
      "\t\t1000 blocks of size 1024. 500 blocks available",
    ];
    expect(lines.map(isEntry)).toEqual([false, false, true, true, false, false]);
  });
});

describe("what a process costs", () => {
  it("is its part of resident memory", () => {
    expect(parsePss("5581-7ffc [rollup]\nRss:   50000 kB\nPss:   24576 kB\nPss_Anon: 1 kB\n")).toBe(
      24 * 2 ** 20,
    );
    expect(parsePss("nothing")).toBeNaN();
  });

  it("is established connections to the file server, and no others", () => {
    const table = [
      "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode",
      "   0: 0100007F:A000 0100007F:01BD 01 00000000:00000000 00:00000000 00000000  0  0 111 1 0",
      "   1: 0100007F:A001 0100007F:01BD 06 00000000:00000000 00:00000000 00000000  0  0 222 1 0",
      "   2: 0100007F:01BD 0100007F:A000 01 00000000:00000000 00:00000000 00000000  0  0 333 1 0",
    ].join("\n");
    expect(connectionsTo(445, table)).toEqual(["111"]);
  });
});

describe("why a peer is not there", () => {
  it("is the line that says it, without the address it was asked for", () => {
    const errors =
      "warning: spurious network error\nerror: failed to get `smb2` from https://example.org/index\n  caused by";
    expect(reason(errors)).toBe("error: failed to get `smb2` from (an address)");
    expect(reason("\n  something odd\n")).toBe("something odd");
    expect(reason("")).toBe("it failed");
  });
});

describe("the tables beside the peers", () => {
  it("have latencies above the bare loop's, and say who missed what", () => {
    const rows = describeLatencies(
      [
        { id: "bare", name: "bare", alone: [1, 2, 3], together: [2, 2, 2] },
        { id: "rust", name: "rust", alone: [1.5, 2.5], together: [3, 4, 5] },
      ],
      3,
    );
    expect(rows.map(({ name, value, note }) => [name, value, note])).toEqual([
      ["bare, alone", "2 / 3", "the floor"],
      ["rust, alone", "1.5 / 2.5", "the floor + -0.5 / -0.5; heard of 2 of 3"],
      ["bare, all at once", "2 / 2", "the floor"],
      ["rust, all at once", "4 / 5", "the floor + 2 / 3"],
    ]);
  });

  it("tell losses apart from what was found by comparing", () => {
    const burst = { names: 90, overflows: 2, compared: 0, lagMs: 10.4, rate: 1 };
    expect(describeBursts("loop", "bare", [burst, "it has ended: why"], 100)).toEqual({
      name: "loop: names heard",
      value: "90 / -",
      unit: "of 100",
      note: "2 / - overflows, each an unknown loss; the last after 10 / - ms; it has ended: why",
    });
    const whole = { names: 100, overflows: 0, compared: 7, lagMs: 5, rate: 1 };
    expect(describeBursts("ours", "library", [whole], 100).note).toBe(
      "7 of them by comparing, 0 resyncs; the last after 5 ms",
    );
  });

  it("have what each directory costs, and a gap where a listener came no further", () => {
    const point = { threads: 1, connections: 1 };
    const points = [
      { ...point, directories: 1, seconds: 0, bytes: 10 * 2 ** 20 },
      { ...point, directories: 200, seconds: 2, bytes: 10 * 2 ** 20 + 199 * 2_048 },
    ];
    const rows = describeCosts(
      { id: "rust", name: "it", points, heard: undefined, error: "no answer" },
      [1, 50, 200, 1_000],
    );
    expect(rows[0]).toEqual({
      name: "it: armed in",
      value: "2 / -",
      unit: "s at 200 / 1000",
      note: "no answer",
    });
    expect(rows[1]?.note).toBe("2 KiB more for each directory, from 1 to 200");
  });
});

describe("the plots", () => {
  it("have axes from a round number below to one above, and marks that can be read", () => {
    expect(logarithmic([1.2, 7, 43], "ms")).toMatchObject({ from: 1, to: 50, marks: [1, 2, 5, 10, 20, 50] });
    expect(logarithmic([1, 1_000], "n")).toMatchObject({ from: 1, to: 1_000, marks: [1, 10, 100, 1_000] });
    expect(logarithmic([0.03, 0.04], "s")).toMatchObject({ from: 0.02, to: 0.05, marks: [0.02, 0.05] });
    expect(logarithmic([11, 11], "n")).toMatchObject({ from: 10, to: 20 });
    expect(logarithmic([0, Number.NaN], "n")).toMatchObject({ from: 1, to: 10 });
  });

  it("put what is beyond an axis at its end", () => {
    const axis = { from: 1, to: 100, logarithmic: true };
    expect([0.1, 1, 10, 100, 1_000].map((value) => along(axis, value))).toEqual([0, 0, 0.5, 1, 1]);
    expect(along({ from: 0, to: 100, logarithmic: false }, 25)).toBe(0.25);
  });

  it("step up by the part that has come", () => {
    expect(distribution([3, 1])).toEqual([
      [1, 0],
      [1, 50],
      [3, 50],
      [3, 100],
    ]);
    expect(distribution([])).toEqual([]);
  });

  it("draw each listener once a panel, and escape its name, for both themes", () => {
    const plot = latencyPlot([
      { id: "bare", name: "loop <&>", alone: [1, 2], together: [2, 3] },
      { id: "library", name: "ours", alone: [1], together: [] },
    ]);
    expect(plot.match(/class="l bare"/g)).toHaveLength(3);
    // One panel and the legend: of the other there is nothing to draw.
    expect(plot.match(/class="l own library"/g)).toHaveLength(2);
    expect(plot).toContain("loop &lt;&amp;&gt;");
    expect(plot).not.toMatch(/NaN|undefined|Infinity/);
    expect(plot).toContain("prefers-color-scheme: dark");
  });

  it("draw costs without points that a listener has not come to", () => {
    const point = { threads: 4, connections: 1, bytes: 2 ** 20 };
    const points = [
      { ...point, directories: 1, seconds: 0 },
      { ...point, directories: 200, seconds: 2 },
    ];
    const plot = costPlot([
      { id: "rust", name: "it", points, heard: 200 },
      { id: "worker", name: "ours", points: [], heard: undefined, error: "no answer" },
    ]);
    // Seconds are counted from the second number on; memory and threads have both.
    expect(plot.match(/<circle class="d rust"/g)).toHaveLength(5);
    expect(plot).not.toMatch(/NaN|undefined|Infinity/);
  });
});

describe("the program against the Rust crate", () => {
  it("is pinned", () => {
    const read = (file: string): string =>
      readFileSync(join(import.meta.dirname, "../../../bench/peers/rust", file), "utf8");
    const wanted = [
      ...(read("Cargo.toml").split("[dependencies]")[1] ?? "").matchAll(/^(\w+) = .*?"(=?[\d.]+)"/gm),
    ];
    expect(wanted.map(([, name]) => name)).toContain("smb2");
    for (const [, , version] of wanted) expect(version).toMatch(/^=/);
  });
});
