import { collectDefaultMetrics } from "prom-client";
import { BrokerMetrics } from "./metrics/broker.ts";
import { FleetMetrics } from "./metrics/fleet.ts";
import { GatewayMetrics } from "./metrics/gateway.ts";
import { type MetricDefinition, MetricSet } from "./metrics/metric-set.ts";
import { ProcessMetrics } from "./metrics/process.ts";
import { SmbMetrics } from "./metrics/smb.ts";
import { WatchMetrics } from "./metrics/watch.ts";
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

  constructor(version: Version, options: { readonly defaults?: boolean } = {}) {
    this.process = new ProcessMetrics(this.#set);
    this.smb = new SmbMetrics(this.#set);
    this.watch = new WatchMetrics(this.#set);
    this.broker = new BrokerMetrics(this.#set);
    this.fleet = new FleetMetrics(this.#set);
    this.gateway = new GatewayMetrics(this.#set);
    if (options.defaults ?? true) collectDefaultMetrics({ register: this.#set.registry });
    const { version: number, commit = "unknown" } = version;
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

  /** Prometheus text format. */
  text(): Promise<string> {
    for (const collect of this.#collectors) collect();
    return this.#set.registry.metrics();
  }

  get contentType(): string {
    return this.#set.registry.contentType;
  }
}
