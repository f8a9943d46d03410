import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { pageModule } from "./modules.ts";

interface Scroll {
  readonly count: number;
  readonly rowHeight: number;
  readonly viewport: number;
  readonly scrollTop: number;
}
const { TALLEST, windowOf, reveal, keepPlace, topRow } = await pageModule<{
  TALLEST: number;
  windowOf(scroll: Scroll): { first: number; last: number; offset: number; height: number };
  reveal(index: number, scroll: Scroll): number;
  keepPlace(from: number, to: number, scroll: Scroll, count: number): number;
  topRow(scroll: Scroll): number;
}>("virtual");

const anyScroll: fc.Arbitrary<Scroll> = fc
  .record({
    count: fc.oneof(fc.nat(50), fc.nat(30_000), fc.nat(3_000_000)),
    rowHeight: fc.double({ min: 16, max: 64, noNaN: true }),
    viewport: fc.integer({ min: 50, max: 3_000 }),
    part: fc.double({ min: 0, max: 1, noNaN: true }),
  })
  .map(({ part, ...scroll }) => {
    const { height } = windowOf({ ...scroll, scrollTop: 0 });
    return { ...scroll, scrollTop: Math.max(0, height - scroll.viewport) * part };
  });

/** Where a row is seen, below the top of what is in sight. */
const seenAt = (index: number, scroll: Scroll): number => {
  const { first, offset } = windowOf(scroll);
  return offset + (index - first) * scroll.rowHeight - scroll.scrollTop;
};

describe("the window on very many rows", () => {
  it("covers all that is seen, with elements in numbers of the screen and not of the directory", () => {
    fc.assert(
      fc.property(anyScroll, (scroll) => {
        const { count, rowHeight, viewport, scrollTop } = scroll;
        const { first, last, offset, height } = windowOf(scroll);
        expect(height).toBeLessThanOrEqual(TALLEST);
        expect(first).toBeGreaterThanOrEqual(0);
        expect(last).toBeLessThanOrEqual(count);
        expect(last - first).toBeLessThanOrEqual(viewport / rowHeight + 15);
        const slack = 0.01;
        if (first > 0) expect(offset).toBeLessThanOrEqual(scrollTop + slack);
        if (last < count)
          expect(offset + (last - first) * rowHeight).toBeGreaterThanOrEqual(scrollTop + viewport - slack);
      }),
      { numRuns: 2_000 },
    );
  });

  it("begins with the first row and ends with the last one, also where they are taller than a browser allows", () => {
    const scroll = { count: 2_000_000, rowHeight: 28, viewport: 500 };
    expect(windowOf({ ...scroll, scrollTop: 0 })).toMatchObject({ first: 0, offset: 0, height: TALLEST });
    const end = { ...scroll, scrollTop: TALLEST - 500 };
    expect(windowOf(end).last).toBe(2_000_000);
    expect(seenAt(1_999_999, end)).toBeCloseTo(500 - 28, 3);
  });

  it("brings any row into sight, and scrolls not at all for one that is", () => {
    fc.assert(
      fc.property(anyScroll, fc.double({ min: 0, max: 1, noNaN: true }), (scroll, part) => {
        fc.pre(scroll.count > 0 && scroll.viewport > scroll.rowHeight);
        const index = Math.floor(part * (scroll.count - 1));
        const there = { ...scroll, scrollTop: reveal(index, scroll) };
        const at = seenAt(index, there);
        expect(at).toBeGreaterThanOrEqual(-0.01);
        expect(at).toBeLessThanOrEqual(scroll.viewport - scroll.rowHeight + 0.01);
        const before = seenAt(index, scroll);
        if (before > 0.01 && before < scroll.viewport - scroll.rowHeight - 0.01)
          expect(there.scrollTop).toBe(scroll.scrollTop);
      }),
      { numRuns: 2_000 },
    );
  });

  it("leaves the row in sight where it is when rows come in above", () => {
    fc.assert(
      fc.property(anyScroll, fc.integer({ min: -40, max: 400 }), (scroll, more) => {
        const index = topRow(scroll);
        const count = scroll.count + more;
        fc.pre(index + more >= 0 && index < scroll.count && count > 0);
        const scrollTop = keepPlace(index, index + more, scroll, count);
        const after = { ...scroll, count, scrollTop };
        // Not beyond the end.
        fc.pre(scrollTop >= 0 && scrollTop <= windowOf(after).height - scroll.viewport);
        expect(seenAt(index + more, after)).toBeCloseTo(seenAt(index, scroll), 1);
      }),
      { numRuns: 2_000 },
    );
  });

  it("is nothing for nothing", () => {
    expect(windowOf({ count: 0, rowHeight: 28, viewport: 500, scrollTop: 0 })).toEqual({
      first: 0,
      last: 0,
      offset: 0,
      height: 0,
    });
  });
});
