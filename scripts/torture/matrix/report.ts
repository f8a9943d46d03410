import type { MatrixReport } from "./run.ts";

/** One line where all is well; on a loss, what was last done and told of it. */
export function describeMatrix(report: MatrixReport): string {
  const { configuration, version, seed, rounds, changes, delivered, resyncs, lost, cover } = report;
  const made = changes.local + changes.smb + changes.special;
  const told = Object.entries(delivered).map(([via, count]) => `${via} ${count}`);
  const asked = Object.values(resyncs).reduce((sum, count) => sum + count, 0);
  const head = `${configuration.padEnd(18)} Samba ${version}, ${cover}, seed ${seed}: ${rounds} rounds, ${made} changes, told ${told.join(", ")}, resyncs ${asked}, names late by ${late(report, "names")}, contents by ${late(report, "contents")}, lost ${lost.length}`;
  return [
    head,
    ...lost
      .slice(0, 8)
      .flatMap(({ consumer, what, history }) => [
        "",
        `LOST ${consumer}: ${what}`,
        ...history.map((line) => `  ${line}`),
      ]),
  ].join("\n");
}

/** With what it was where it took more than half of what it may. */
function late({ slowest, bounds }: MatrixReport, kind: "names" | "contents"): string {
  const much = slowest[kind] > bounds[kind] / 2;
  return `${slowest[kind].toFixed(1)} s${much ? ` (${slowest.last[kind]})` : ""}`;
}
