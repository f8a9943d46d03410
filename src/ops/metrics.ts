import { collectDefaultMetrics, type Metric, type OpenMetricsContentType, Registry } from "prom-client";
import {
  BrokerMetrics,
  FleetMetrics,
  GatewayMetrics,
  type MetricDefinition,
  MetricSet,
  ProcessMetrics,
  SmbMetrics,
  WatchMetrics,
} from "./metrics/index.ts";
import type { Version } from "./version.ts";

/** Every metric of the service, defined once. A role that does not use a floor leaves its metrics at 0. */
export class Metrics {
  readonly process: ProcessMetrics;
  readonly smb: SmbMetrics;
  readonly watch: WatchMetrics;
  readonly broker: BrokerMetrics;
  readonly fleet: FleetMetrics;
  readonly gateway: GatewayMetrics;
  readonly #set = new MetricSet();
  readonly #collectors = new Set<() => void>();
  /** The same metrics, told otherwise. */
  readonly #open = new Registry<OpenMetricsContentType>();

  constructor(version: Version, options: { readonly defaults?: boolean } = {}) {
    this.process = new ProcessMetrics(this.#set);
    this.smb = new SmbMetrics(this.#set);
    this.watch = new WatchMetrics(this.#set);
    this.broker = new BrokerMetrics(this.#set);
    this.fleet = new FleetMetrics(this.#set);
    this.gateway = new GatewayMetrics(this.#set);
    if (options.defaults ?? true) collectDefaultMetrics({ register: this.#set.registry });
    const { version: number, commit = "unknown" } = version;
    this.#open.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
    for (const metric of this.#set.registry.getMetricsAsArray()) {
      this.#open.registerMetric(this.#set.registry.getSingleMetric(metric.name) as Metric);
    }
    this.process.buildInfo.set({ version: number, commit, node: process.versions.node }, 1);
  }

  get definitions(): readonly MetricDefinition[] {
    return this.#set.definitions;
  }

  /** For gauges that are cheaper to read than to follow: runs before each scrape. Must not throw. Returns its end. */
  beforeScrape(collect: () => void): () => void {
    this.#collectors.add(collect);
    return () => {
      this.#collectors.delete(collect);
    };
  }

  /** Prometheus' text format, or OpenMetrics where a scraper's `Accept` names it. */
  async scrape(accept = ""): Promise<{ readonly contentType: string; readonly text: string }> {
    // Some facts are counted when the work is done in whose midst they were told.
    await new Promise<void>((resolve) => process.nextTick(resolve));
    for (const collect of this.#collectors) collect();
    const registry = accept.includes("application/openmetrics-text") ? this.#open : this.#set.registry;
    // Facts are counted when the work is done in whose midst they were told.
    await new Promise<void>((resolve) => process.nextTick(resolve));
    return { contentType: registry.contentType, text: await registry.metrics() };
  }

  /** Prometheus' text format. */
  async text(): Promise<string> {
    return (await this.scrape()).text;
  }
}
