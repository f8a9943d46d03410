import { describe, expect, it } from "vitest";
import { BoundedLabel, MetricSet } from "../../../src/ops/metrics/metric-set.ts";
import { Metrics } from "../../../src/ops/metrics.ts";

const VERSION = { version: "1.2.3", commit: "abc" };

describe("metrics", () => {
  const { definitions } = new Metrics(VERSION, { defaults: false });

  it("are these; dashboards, rules and docs/operations.md rely on the names", () => {
    expect(
      definitions.map(({ name, type, labels }) => `${name} ${type}${labels.map((l) => ` ${l}`).join("")}`),
    ).toMatchSnapshot();
  });

  it("are named as Prometheus asks", () => {
    const wrong = definitions.filter(({ name, type, help, labels }) => {
      const units = /_(ms|milliseconds|minutes|hours|kb|mb|percent)(_|$)/;
      return (
        !/^smb2nats_[a-z]+(_[a-z]+)*$/.test(name) ||
        name.endsWith("_total") !== (type === "counter") ||
        (type === "histogram" && !name.endsWith("_seconds")) ||
        /_(count|sum|bucket|info_total)$/.test(name) ||
        units.test(name) ||
        !/^[A-Z0-9].*\.$/.test(help) ||
        labels.some(
          (label) => !/^[a-z]+$/.test(label) || ["path", "user", "username", "address", "le"].includes(label),
        )
      );
    });
    expect(wrong.map(({ name }) => name)).toEqual([]);
    // In OpenMetrics a counter's family has no suffix, and must be no other's.
    expect(new Set(definitions.map(({ name }) => name.replace(/_total$/, ""))).size).toBe(definitions.length);
  });

  it("are OpenMetrics for who asks for it, and Prometheus' text for who does not", async () => {
    const metrics = new Metrics(VERSION);
    metrics.broker.published.inc({ connection: "nas1", type: "changes" });
    const plain = await metrics.scrape("text/plain;version=0.0.4;q=0.5,*/*;q=0.1");
    expect(plain.contentType).toBe("text/plain; version=0.0.4; charset=utf-8");
    expect(plain.text).toContain("# TYPE smb2nats_events_published_total counter");
    const { contentType, text } = await metrics.scrape(
      "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.4",
    );
    expect(contentType).toBe("application/openmetrics-text; version=1.0.0; charset=utf-8");
    expect(text.endsWith("\n# EOF\n")).toBe(true);
    // A counter's family has no suffix there, its samples do.
    expect(text).toContain("# TYPE smb2nats_events_published counter");
    expect(text).toContain('smb2nats_events_published_total{connection="nas1",type="changes"} 1');
    const samples = (all: string): string[] => all.split("\n").filter((line) => /^smb2nats_/.test(line));
    expect(samples(text).length).toBe(samples(plain.text).length);
  });

  it("start at 0 where the label sets are known", async () => {
    const text = await new Metrics(VERSION, { defaults: false }).text();
    expect(text).toContain("smb2nats_events_published_total");
    expect(text).toContain('smb2nats_feed_catch_ups_total{cause="reconnect"} 0');
    expect(text).toContain("smb2nats_outbox_messages 0");
    expect(text).toContain("smb2nats_rescan_seconds_count 0");
    expect(text).toContain('smb2nats_build_info{version="1.2.3",commit="abc"');
  });

  it("are a text that says what it is: HELP and TYPE before samples, each once", async () => {
    const text = await new Metrics(VERSION).text();
    const seen = new Set<string>();
    for (const line of text.split("\n")) {
      const type = /^# TYPE (\S+) (counter|gauge|histogram|summary)$/.exec(line);
      if (type?.[1] !== undefined) {
        expect(seen.has(type[1])).toBe(false);
        seen.add(type[1]);
      } else if (line !== "" && !line.startsWith("#")) {
        expect(line).toMatch(/^[a-z][a-z0-9_]*(\{([a-z_]+="[^"]*",?)*\})? (-?[0-9.e+-]+|nan|\+Inf)$/i);
        const name = line.replace(/[{ ].*$/, "").replace(/_(bucket|sum|count)$/, "");
        expect(seen.has(name) || seen.has(line.replace(/[{ ].*$/, ""))).toBe(true);
      }
    }
    expect(seen.has("process_cpu_seconds_total")).toBe(true);
  });

  it("keep labels bounded that others choose", () => {
    const label = new BoundedLabel(2);
    expect(["a", "b", "c", "a", "d"].map((value) => label.of(value))).toEqual([
      "a",
      "b",
      "other",
      "a",
      "other",
    ]);
  });

  it("do not zero sets that are not known", async () => {
    const set = new MetricSet();
    set.counter("x_total", "X.", { connection: "any", type: ["a"] });
    expect(await set.registry.metrics()).not.toContain("} 0");
  });
});
