import { DiscardPolicy, RetentionPolicy, StorageType, type StreamConfig } from "@nats-io/jetstream";
import { millis } from "@nats-io/transport-node";
import type { StreamDifference, StreamPurpose, StreamSettings } from "../stream-config.ts";

/** Long enough for every retry after a short outage; each remembered id costs the server memory. */
export const DUPLICATE_WINDOW_MS = 30_000;

interface Expectation {
  readonly field: string;
  readonly expected: unknown;
  readonly found: (config: StreamConfig) => unknown;
  readonly fatal: boolean;
}

/** What an existing stream is otherwise than we would have made it. */
export function compareStream(
  purpose: StreamPurpose,
  config: StreamConfig,
  settings: StreamSettings,
): StreamDifference[] {
  return EXPECTED[purpose](settings).flatMap(({ field, expected, found, fatal }) => {
    const have = found(config);
    if (have === expected) return [];
    return [{ stream: config.name, field, expected: String(expected), found: String(have), fatal }];
  });
}

export function describeDifference(difference: StreamDifference): string {
  const { stream, field, expected, found } = difference;
  return `stream ${stream}: ${field} is ${found}, expected ${expected}`;
}

const EXPECTED: Readonly<Record<StreamPurpose, (settings: StreamSettings) => Expectation[]>> = {
  events: ({ subjects, maxAgeMs, ...settings }) => [
    must("subjects", subjects.allIngest, (config) => config.subjects.join(",")),
    must("republish", `${subjects.allIngest} -> ${subjects.allEvents}`, (config) => {
      const { republish } = config;
      if (republish === undefined) return "none";
      return `${republish.src} -> ${republish.dest}${republish.headers_only === true ? " (headers only)" : ""}`;
    }),
    must("retention", RetentionPolicy.Limits, (config) => config.retention),
    // A limit per subject removes from the middle, and a reader cannot tell.
    must("max_msgs_per_subject", "unlimited", (config) => limit(config.max_msgs_per_subject)),
    should("storage", StorageType.File, (config) => config.storage),
    should("discard", DiscardPolicy.Old, (config) => config.discard),
    should("max_age ms", maxAgeMs, (config) => millis(config.max_age)),
    ...size(settings, "events"),
    should("duplicate_window ms", DUPLICATE_WINDOW_MS, (config) => millis(config.duplicate_window)),
    should("num_replicas", settings.replicas, (config) => config.num_replicas),
  ],
  watches: (settings) => [
    must("storage", StorageType.File, (config) => config.storage),
    // With a TTL an outage of the broker would expire every lease at once.
    must("max_age ms", 0, (config) => millis(config.max_age)),
    should("history", 1, (config) => config.max_msgs_per_subject),
    ...size(settings, "watches"),
    should("num_replicas", settings.replicas, (config) => config.num_replicas),
  ],
  checkpoints: (settings) => [
    should("storage", StorageType.File, (config) => config.storage),
    should("max_age ms", settings.maxAgeMs, (config) => millis(config.max_age)),
    ...size(settings, "checkpoints"),
    should("num_replicas", settings.replicas, (config) => config.num_replicas),
  ],
};

function size(
  { anySize, maxBytes }: Pick<StreamSettings, "anySize" | "maxBytes">,
  purpose: StreamPurpose,
): Expectation[] {
  return anySize ? [] : [should("max_bytes", maxBytes[purpose], (config) => config.max_bytes)];
}

function must(field: string, expected: unknown, found: Expectation["found"]): Expectation {
  return { field, expected, found, fatal: true };
}

function should(field: string, expected: unknown, found: Expectation["found"]): Expectation {
  return { field, expected, found, fatal: false };
}

function limit(value: number): number | string {
  return value <= 0 ? "unlimited" : value;
}
