import { describe, expect, it } from "vitest";
import { Metrics } from "../../../src/ops/metrics.ts";
import { dashboardQueries, rules } from "./dashboard.ts";

const { definitions } = new Metrics({ version: "1.2.3", commit: "abc" }, { defaults: false });

/** `x_seconds_bucket` is of the histogram `x_seconds`. */
const EXPOSED = new Map(
  definitions.flatMap(({ name, type, labels }) =>
    type === "histogram"
      ? ["_bucket", "_sum", "_count"].map((end) => [`${name}${end}`, [...labels, "le"]] as const)
      : [[name, [...labels]] as const],
  ),
);
/** Given by Prometheus, not by the process. */
const TARGET_LABELS = ["instance", "job"];

const queries = [
  ...dashboardQueries().map((expr) => ({ where: "dashboard", expr })),
  ...rules().map(({ alert, expr }) => ({ where: alert, expr })),
];
const namesIn = (expr: string): string[] => expr.match(/smb2nats_[a-z_]+/g) ?? [];

describe("metrics in dashboard, rules and code", () => {
  it("are looked for in real files", () => {
    expect(dashboardQueries().length).toBeGreaterThan(60);
    expect(rules().length).toBeGreaterThan(8);
  });

  it("exist in the code wherever a query names one", () => {
    const unknown = queries.flatMap(({ where, expr }) =>
      namesIn(expr)
        .filter((name) => !EXPOSED.has(name))
        .map((name) => `${where}: ${name}`),
    );
    expect(unknown).toEqual([]);
  });

  it("are each on the dashboard", () => {
    const shown = new Set(dashboardQueries().flatMap(namesIn));
    const missing = definitions.filter(({ name, type }) =>
      type === "histogram" ? !shown.has(`${name}_bucket`) : !shown.has(name),
    );
    expect(missing.map(({ name }) => name)).toEqual([]);
  });

  it("have the labels that selectors ask for", () => {
    const unknown = queries.flatMap(({ where, expr }) =>
      [...expr.matchAll(/(smb2nats_[a-z_]+)\{([^}]*)\}/g)].flatMap(([, name = "", selector = ""]) => {
        const labels = [...(EXPOSED.get(name) ?? []), ...TARGET_LABELS];
        return [...selector.matchAll(/([a-z_]+)\s*(?:=~|!~|!=|=)/g)]
          .map(([, label = ""]) => label)
          .filter((label) => !labels.includes(label))
          .map((label) => `${where}: ${name}{${label}}`);
      }),
    );
    expect(unknown).toEqual([]);
  });
});
