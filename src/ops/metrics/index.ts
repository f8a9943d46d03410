/** The face of `metrics`: each floor's metrics. */

export { BrokerMetrics } from "./broker.ts";
export { FleetMetrics } from "./fleet.ts";
export { GatewayMetrics } from "./gateway.ts";
export { BoundedLabel, type MetricDefinition, MetricSet } from "./metric-set.ts";
export { ProcessMetrics } from "./process.ts";
export { SmbMetrics } from "./smb.ts";
export { WatchMetrics } from "./watch.ts";
