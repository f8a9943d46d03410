import type { Contestant } from "./contestants.ts";
import type { Costs, Point } from "./directories.ts";
import type { Latencies } from "./latency.ts";

const WIDTH = 900;
const MARGIN = 16;
const PANEL_TOP = 64;
const PANEL_HEIGHT = 260;
/** For the marks of the y axis. */
const LEFT = 44;
const GAP = 18;
const LEGEND_ROW = 20;
const LEGEND_COLUMNS = 2;
const MARKS = 8;

type Id = Contestant["id"];

/** Readable on white and on black; what shares a hue differs by its dashes. */
const STYLE = `
text { font: 12px system-ui, sans-serif; fill: #1f2328 } .b { font-weight: 600; font-size: 14px } .s { font-size: 11px; fill: #59636e } .m { text-anchor: middle } .e { text-anchor: end }
.p { fill: #f6f8fa; stroke: #d1d9e0 } .g { stroke: #d1d9e0 } .l { fill: none; stroke-width: 1.6; stroke-linejoin: round } .l.own { stroke-width: 2.8 } .d { stroke: none }
.bare { --c: #59636e } .library { --c: #0969da } .nats, .worker { --c: #1a7f37 } .rust { --c: #bc4c00 } .python-own, .python-shared { --c: #cf222e } .smbclient { --c: #8250df }
.l { stroke: var(--c) } .d { fill: var(--c) } .bare.l { stroke-dasharray: 2 3 } .python-shared.l { stroke-dasharray: 7 4 } .smbclient.l { stroke-dasharray: 9 3 2 3 }
@media (prefers-color-scheme: dark) {
text { fill: #f0f6fc } .s { fill: #9198a1 } .p { fill: #151b23; stroke: #3d444d } .g { stroke: #3d444d }
.bare { --c: #9198a1 } .library { --c: #4493f8 } .nats, .worker { --c: #3fb950 } .rust { --c: #f0883e } .python-own, .python-shared { --c: #f85149 } .smbclient { --c: #ab7df8 }
}`;

interface Series {
  readonly id: Id;
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
  /** Marks each point: there are few of them, and the line between is only a guess. */
  readonly dots?: boolean;
}

interface Axis {
  readonly from: number;
  readonly to: number;
  readonly marks: readonly number[];
  readonly logarithmic: boolean;
  readonly label: string;
}

interface Panel {
  readonly title: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly series: readonly Series[];
}

/** How many of the changes each listener had heard of after how long. */
export function latencyPlot(latencies: readonly Latencies[]): string {
  const all = latencies.flatMap(({ alone, together }) => [...alone, ...together]);
  const x = logarithmic(all, "ms after the change");
  const y: Axis = {
    from: 0,
    to: 100,
    marks: [0, 25, 50, 75, 100],
    logarithmic: false,
    label: "% of the changes heard of",
  };
  const panel = (title: string, way: "alone" | "together"): Panel => ({
    title,
    x,
    y,
    series: latencies.map(({ id, name, [way]: values }) => ({ id, name, points: distribution(values) })),
  });
  return draw(
    "From a change on the server to each listener",
    "Share of changes heard of by the time since the change, for each listener alone in a directory, and for all in one directory.",
    [panel("Each alone in its directory", "alone"), panel("All in one directory, at once", "together")],
  );
}

/** What each costs as directories become more. */
export function costPlot(costs: readonly Costs[]): string {
  const panel = (title: string, label: string, value: (point: Point) => number): Panel => {
    const series = costs.map(
      ({ id, name, points }): Series => ({
        id,
        name,
        dots: true,
        points: points.map((point) => [point.directories, value(point)] as const).filter(([, y]) => y > 0),
      }),
    );
    const all = series.flatMap(({ points }) => points);
    return {
      title,
      x: logarithmic(
        all.map(([each]) => each),
        "watched directories",
      ),
      y: logarithmic(
        all.map(([, each]) => each),
        label,
      ),
      series,
    };
  };
  return draw(
    "What watched directories cost",
    "Time until all are armed, memory, and threads of the listening process, by the number of directories.",
    [
      panel("Until all are armed", "seconds", ({ seconds }) => seconds),
      panel("Memory of the process", "MiB", ({ bytes }) => bytes / 2 ** 20),
      panel("Threads of the process", "threads", ({ threads }) => threads),
    ],
  );
}

/** Steps: after each value one more part of all has come. */
export function distribution(values: readonly number[]): (readonly [x: number, y: number])[] {
  const sorted = [...values].sort((a, b) => a - b);
  const share = (count: number): number => (count / sorted.length) * 100;
  return sorted.flatMap((value, index) => [
    [value, share(index)] as const,
    [value, share(index + 1)] as const,
  ]);
}

/** From a 1, 2 or 5 of some power of ten below the least to one above the most; marks at these, or where they are many at the powers. */
export function logarithmic(values: readonly number[], label: string): Axis {
  const known = values.filter((value) => value > 0 && Number.isFinite(value));
  const least = known.length === 0 ? 1 : Math.min(...known);
  const most = known.length === 0 ? 10 : Math.max(...known);
  const [low, high] = [Math.floor(Math.log10(least)), Math.ceil(Math.log10(most)) + 1];
  const steps = Array.from({ length: high - low + 1 }, (_, index) => low + index).flatMap((power) =>
    [1, 2, 5].map((digit) => Number(`${digit}e${power}`)),
  );
  const from = steps.filter((step) => step <= least).at(-1) ?? least;
  const to = steps.find((step) => step >= most && step > from) ?? most;
  const between = steps.filter((step) => step >= from && step <= to);
  const powers = between.filter((step) => step.toExponential().startsWith("1e"));
  return { from, to, marks: between.length > MARKS ? powers : between, logarithmic: true, label };
}

/** Where on an axis a value is, 0 to 1; what is beyond its ends is at them. */
export function along(
  { from, to, logarithmic: isLogarithmic }: Omit<Axis, "marks" | "label">,
  value: number,
): number {
  const scale = isLogarithmic ? Math.log10 : (each: number): number => each;
  return Math.min(1, Math.max(0, (scale(value) - scale(from)) / (scale(to) - scale(from))));
}

function draw(title: string, description: string, panels: readonly Panel[]): string {
  const named = new Map(panels.flatMap(({ series }) => series.map(({ id, name }) => [id, name] as const)));
  const rows = Math.ceil(named.size / LEGEND_COLUMNS);
  const legendTop = PANEL_TOP + PANEL_HEIGHT + 62;
  const height = legendTop + rows * LEGEND_ROW + 4;
  const each = (WIDTH - 2 * MARGIN - GAP * (panels.length - 1)) / panels.length;
  const body = panels.flatMap((panel, index) => drawPanel(panel, MARGIN + index * (each + GAP), each));
  const legend = [...named].flatMap(([id, name], index) => {
    const x = MARGIN + Math.floor(index / rows) * (WIDTH / LEGEND_COLUMNS - 30);
    const y = legendTop + (index % rows) * LEGEND_ROW;
    return [
      `<path class="${classes(id)}" d="M${x} ${y} H${x + 34}"/>`,
      `<text x="${x + 42}" y="${y + 4}">${escapeText(name)}</text>`,
    ];
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-labelledby="title desc">`,
    `<title id="title">${escapeText(title)}</title>`,
    `<desc id="desc">${escapeText(description)}</desc>`,
    `<style>${STYLE}\n</style>`,
    `<text class="b" x="${MARGIN}" y="26">${escapeText(title)}</text>`,
    ...body,
    ...legend,
    "</svg>\n",
  ].join("\n");
}

function drawPanel({ title, x, y, series }: Panel, at: number, width: number): string[] {
  const [left, right] = [at + LEFT, at + width];
  const bottom = PANEL_TOP + PANEL_HEIGHT;
  const toX = (value: number): number => point(left + along(x, value) * (right - left));
  const toY = (value: number): number => point(bottom - along(y, value) * PANEL_HEIGHT);
  const middle = point((left + right) / 2);
  return [
    `<text x="${left}" y="${PANEL_TOP - 10}">${escapeText(title)}</text>`,
    `<rect class="p" x="${point(left)}" y="${PANEL_TOP}" width="${point(right - left)}" height="${PANEL_HEIGHT}"/>`,
    ...x.marks.flatMap((mark) => [
      `<path class="g" d="M${toX(mark)} ${PANEL_TOP} V${bottom}"/>`,
      `<text class="s m" x="${toX(mark)}" y="${bottom + 16}">${mark}</text>`,
    ]),
    ...y.marks.flatMap((mark) => [
      `<path class="g" d="M${point(left)} ${toY(mark)} H${point(right)}"/>`,
      `<text class="s e" x="${point(left - 5)}" y="${toY(mark) + 4}">${mark}</text>`,
    ]),
    `<text class="s m" x="${middle}" y="${bottom + 34}">${escapeText(x.label)}</text>`,
    `<text class="s" x="${point(right)}" y="${PANEL_TOP - 10}" text-anchor="end">${escapeText(y.label)}</text>`,
    ...series
      .filter(({ points }) => points.length > 0)
      .flatMap(({ id, points, dots = false }) => [
        `<path class="${classes(id)}" d="M${points.map(([a, b]) => `${toX(a)} ${toY(b)}`).join(" L")}"/>`,
        ...(dots
          ? points.map(([a, b]) => `<circle class="d ${id}" cx="${toX(a)}" cy="${toY(b)}" r="3"/>`)
          : []),
      ]),
  ];
}

function classes(id: Id): string {
  return id === "library" || id === "nats" || id === "worker" ? `l own ${id}` : `l ${id}`;
}

function point(value: number): number {
  return Number(value.toFixed(1));
}

function escapeText(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
