import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { stringify } from "yaml";
import { Metrics } from "../../../src/ops/metrics.ts";
import { dashboardQueries, resolved, rules } from "./dashboard.ts";
import { execute, program, read, readYaml, type Tree } from "./files.ts";

const promtool = program("promtool", "PROMTOOL_BIN");

describe("alerts", () => {
  it("are each tested, both silent and firing", () => {
    const tested = new Map<string, { fires: boolean; silent: boolean }>();
    for (const test of readYaml("deploy/prometheus/rules.test.yml")["tests"] as unknown as Tree[]) {
      for (const { alertname, exp_alerts } of test["alert_rule_test"] as unknown as {
        alertname: string;
        exp_alerts: unknown[];
      }[]) {
        const seen = tested.get(alertname) ?? { fires: false, silent: false };
        if (exp_alerts.length > 0) seen.fires = true;
        else seen.silent = true;
        tested.set(alertname, seen);
      }
    }
    for (const { alert } of rules()) expect(tested.get(alert), alert).toEqual({ fires: true, silent: true });
    expect([...tested.keys()].sort()).toEqual(
      rules()
        .map(({ alert }) => alert)
        .sort(),
    );
  });

  it("each have a paragraph in docs/troubleshooting.md", () => {
    const text = read("docs/troubleshooting.md");
    expect(
      rules()
        .filter(({ alert }) => !text.includes(alert))
        .map(({ alert }) => alert),
    ).toEqual([]);
  });

  it("say what happened and what it means", () => {
    for (const { alert, annotations } of rules()) {
      expect(alert).toMatch(/^Smb2nats[A-Z]/);
      expect(Object.keys(annotations).sort()).toEqual(["description", "summary"]);
    }
  });
});

describe.skipIf(promtool === undefined)("promtool (Debian package prometheus)", { timeout: 120_000 }, () => {
  const run = (...args: string[]): ReturnType<typeof execute> => execute(promtool ?? "", args);

  it("accepts the rules and the scrape configuration", async () => {
    expect(await run("check", "rules", "deploy/prometheus/rules.yml")).toMatchObject({ code: 0 });
    expect(await run("check", "config", "deploy/prometheus/prometheus.yml")).toMatchObject({ code: 0 });
  });

  it("sees every alert fire, and stay silent", async () => {
    const { code, out } = await run("test", "rules", "deploy/prometheus/rules.test.yml");
    expect(out).toContain("SUCCESS");
    expect(code).toBe(0);
  });

  it("accepts every query of the dashboard", async () => {
    const dir = await mkdtemp(join(tmpdir(), "smb2nats-promtool-"));
    try {
      const file = join(dir, "queries.yml");
      const list = dashboardQueries().map((query, index) => ({
        record: `dashboard:query:${index}`,
        expr: resolved(query),
      }));
      await writeFile(file, stringify({ groups: [{ name: "dashboard", rules: list }] }));
      const { code, out } = await run("check", "rules", file);
      expect(out).toContain(`${list.length} rules found`);
      expect(code).toBe(0);
    } finally {
      await rm(dir, { recursive: true });
    }
  });

  it("accepts what /metrics says", async () => {
    const text = await new Metrics({ version: "1.2.3", commit: "abc" }).text();
    const { code, out } = await execute(promtool ?? "", ["check", "metrics"], text);
    // Names of prom-client's own default metrics (nodejs_*) are not ours to choose.
    expect(out.split("\n").filter((line) => line.includes("smb2nats_"))).toEqual([]);
    expect(out).not.toContain("error while linting");
    expect([0, 3]).toContain(code);
  });
});
