import type { Page } from "playwright-core";

/** What scrolling through a grid of files met. */
export interface Scrolled {
  /** Most rows with an element at any moment. */
  readonly rows: number;
  /** Times between frames, ms, sorted: of a machine that may do other things as well. */
  readonly frames: readonly number[];
  /** The same with nothing to do. */
  readonly idle: readonly number[];
  /** What a frame costs the page's main thread in processor time, ms: script, style, layout and paint. */
  readonly work: number;
  /** Frames in which the middle of the grid showed no row. */
  readonly blank: number;
}

const STEPS = 300;

const SCROLL = `(async (steps) => {
  const grid = document.querySelector(".files");
  const { left, top, width, height } = grid.getBoundingClientRect();
  const frames = [];
  let rows = 0;
  let blank = 0;
  let last;
  const step = (grid.scrollHeight - height) / Math.max(1, steps);
  for (let i = 0; i <= ${STEPS}; i++) {
    if (steps > 0) grid.scrollTop = i * step;
    const now = await new Promise((resolve) => requestAnimationFrame(resolve));
    if (last !== undefined) frames.push(now - last);
    last = now;
    // After what the page does in this frame.
    await new Promise((resolve) => setTimeout(resolve, 0));
    rows = Math.max(rows, grid.querySelectorAll(".file-row").length);
    if (document.elementFromPoint(left + width / 2, top + height / 2)?.closest(".file-row") === null) blank++;
  }
  return { rows, frames: frames.sort((a, b) => a - b), blank };
})`;

/** Scrolls the first grid of files through, a part of it a frame, and looks each time. */
export async function scrollThrough(page: Page): Promise<Scrolled> {
  const debug = await page.context().newCDPSession(page);
  await debug.send("Performance.enable", { timeDomain: "threadTicks" });
  const spent = async (): Promise<number> => {
    const { metrics } = await debug.send("Performance.getMetrics");
    return (metrics.find(({ name }) => name === "TaskDuration")?.value ?? Number.NaN) * 1_000;
  };
  const run = async (steps: number): Promise<Omit<Scrolled, "idle" | "work"> & { spent: number }> => {
    const before = await spent();
    const found = (await page.evaluate(`${SCROLL}(${steps})`)) as Omit<Scrolled, "idle" | "work">;
    return { ...found, spent: (await spent()) - before };
  };
  const idle = await run(0);
  const { spent: busy, ...scrolled } = await run(STEPS);
  return { ...scrolled, idle: idle.frames, work: busy / STEPS };
}

/** Of what is sorted. */
export const quantile = (sorted: readonly number[], part: number): number =>
  sorted[Math.floor(part * (sorted.length - 1))] ?? Number.NaN;
