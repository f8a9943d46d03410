/**
 * node scripts/run.mjs scripts/docs/dashboard.ts [--seconds 90]: every panel of deploy/grafana/dashboard.json, asked of a real
 * Prometheus (Debian's) that scrapes two workers and a gateway at work, and drawn to artifacts/dashboard.png by Chromium.
 * Not Grafana: its queries and titles, our lines. Ends with 1 when a query fails, or a panel has no data that should.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";
import { stringify } from "yaml";
import { Scope } from "../../src/base/scope.ts";
import { WsClient } from "../../test/support/clients/ws-client.ts";
import { findSbin } from "../lab/programs.ts";
import { ServerProcess } from "../lab/server-process.ts";
import { startStack } from "../lab/stack.ts";
import { createWorkspace, freePort } from "../lab/workspace.ts";

interface Panel {
  readonly type: string;
  readonly title: string;
  readonly targets?: readonly { readonly expr: string }[];
}
type Series = { readonly metric: Readonly<Record<string, string>>; readonly values: [number, string][] };

/** What does not happen while all is well, and so has no series yet. */
const QUIET = new Set([
  // Where `ready` is set.
  "Questions about writers",
  "From the last change to ready",
  "Resyncs",
  "ECHO round trip",
  "Time of a comparison",
  "Control API",
  "Control API, p99",
  "Checkpoints",
  "Attempts that failed",
  "Outbox, overflows",
  "Time of such a reading, p99",
  "Connections last",
]);
const ROOT = join(import.meta.dirname, "../..");
const { values: given } = parseArgs({ options: { seconds: { type: "string", default: "90" } } });
const seconds = Number(given.seconds);
const prometheus = findSbin("prometheus");
if (prometheus === undefined) throw new Error("prometheus not found: install the package prometheus");

const scope = new Scope();
try {
  const stack = await startStack({
    workers: 2,
    config: { watches: [{ connection: "lab", path: "/", recursive: true }] },
  });
  scope.defer(() => stack.close());
  const workspace = createWorkspace();
  scope.defer(() => workspace.remove());
  const port = await freePort();
  const targets = [...stack.workers, ...stack.gateways].map(({ ops }) => ops.replace("http://", ""));
  const config = join(workspace.dir, "prometheus.yml");
  const scrape = { job_name: "smb2nats", scrape_interval: "2s", static_configs: [{ targets }] };
  writeFileSync(config, stringify({ scrape_configs: [scrape] }));
  const server = new ServerProcess(
    workspace,
    prometheus,
    [
      `--config.file=${config}`,
      `--storage.tsdb.path=${workspace.dir}/tsdb`,
      `--web.listen-address=127.0.0.1:${port}`,
    ],
    { name: "prometheus" },
  );
  await server.start(port, { timeoutMs: 60_000 });
  scope.defer(() => server.stop());
  const client = await WsClient.open(`${stack.gateways[0]?.url.replace("http", "ws")}/ws`);
  scope.defer(() => client.close());

  const folder = stack.samba.path();
  for (let i = 0; i < 20; i++) mkdirSync(join(folder, `d${i}`), { recursive: true });
  for (let i = 0; i < 20; i++) await client.subscribe(`/d${i}`);
  const started = Date.now();
  for (let i = 0; Date.now() - started < seconds * 1_000; i++) {
    const file = join(folder, `d${i % 20}`, `f${i}`);
    writeFileSync(file, "");
    if (i % 3 === 0) rmSync(file);
    await delay(20);
  }
  await delay(5_000);

  const ask = async (expr: string): Promise<Series[]> => {
    const query = expr
      .replaceAll("$__rate_interval", "30s")
      .replaceAll("$__range", "5m")
      .replaceAll("$instance", ".*")
      .replaceAll("$connection", ".*");
    const end = Date.now() / 1_000;
    const search = new URLSearchParams({
      query,
      start: String(started / 1_000),
      end: String(end),
      step: "2",
    });
    const answer = await fetch(`http://127.0.0.1:${port}/api/v1/query_range?${search}`);
    const body = (await answer.json()) as { status: string; error?: string; data: { result: Series[] } };
    if (body.status !== "success") throw new Error(`${expr}: ${body.error}`);
    return body.data.result.map(({ metric, values }) => ({
      metric,
      values: values.filter(([, value]) => Number.isFinite(Number(value))),
    }));
  };
  const panels = (
    JSON.parse(readFileSync(join(ROOT, "deploy/grafana/dashboard.json"), "utf8")) as { panels: Panel[] }
  ).panels;
  const html: string[] = [];
  const empty: string[] = [];
  for (const { type, title, targets: queries = [] } of panels) {
    if (type === "row") {
      html.push(`</section><h2>${escaped(title)}</h2><section>`);
      continue;
    }
    const series = (await Promise.all(queries.map(({ expr }) => ask(expr))))
      .flat()
      .filter(({ values }) => values.length > 0);
    const last = series.map(({ values }) => Number(values.at(-1)?.[1]));
    if (series.length === 0) empty.push(title);
    console.log(
      `${String(series.length).padStart(3)} series, last ${
        last
          .slice(0, 4)
          .map((n) => Number(n.toPrecision(3)))
          .join(", ") || "-"
      }  ${title}`,
    );
    html.push(
      `<figure><b>${escaped(title)}</b>${drawn(series)}<small>${
        last
          .slice(0, 3)
          .map((n) => Number(n.toPrecision(3)))
          .join(" · ") || "no data"
      }</small></figure>`,
    );
  }
  console.log(`\nwithout data: ${empty.join("; ") || "none"}`);
  if (empty.some((title) => !QUIET.has(title))) process.exitCode = 1;
  const page = `<style>body{font:12px sans-serif;background:#111;color:#ddd}section{display:grid;grid-template-columns:repeat(6,1fr);gap:6px}figure{margin:0;background:#1d1d22;padding:6px}svg{display:block;width:100%;height:60px}h2{font-size:14px;margin:10px 0 4px}</style><section>${html.join("")}</section>`;
  mkdirSync(join(ROOT, "artifacts"), { recursive: true });
  writeFileSync(join(ROOT, "artifacts/dashboard.html"), page);
  const browser = await chromium.launch({
    executablePath: findSbin("chromium") ?? "",
    args: ["--no-sandbox"],
  });
  try {
    const tab = await browser.newPage({ viewport: { width: 1_400, height: 900 } });
    await tab.setContent(page);
    await tab.screenshot({ path: join(ROOT, "artifacts/dashboard.png"), fullPage: true });
  } finally {
    await browser.close();
  }
} finally {
  await scope.close();
}

function drawn(series: readonly Series[]): string {
  const points = series.flatMap(({ values }) => values);
  const [from, to] = [Math.min(...points.map(([at]) => at)), Math.max(...points.map(([at]) => at))];
  const top = Math.max(...points.map(([, value]) => Number(value)), 1e-9);
  const lines = series.slice(0, 12).map(({ values }, i) => {
    const path = values.map(
      ([at, value]) => `${((at - from) / (to - from || 1)) * 200},${58 - (Number(value) / top) * 54}`,
    );
    return `<polyline fill="none" stroke="hsl(${i * 47},70%,60%)" points="${path.join(" ")}"/>`;
  });
  return `<svg viewBox="0 0 200 60" preserveAspectRatio="none">${lines.join("")}</svg>`;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
