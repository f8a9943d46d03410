import { CONNECTION_OPTIONS, type ConnectionConfig } from "../../ops/config/index.ts";
import type { Invocation } from "../command.ts";
import { UsageError } from "../exit-codes.ts";

/** Options of the command line (`SHARE_OPTIONS`) and what they are called in the configuration. */
const KEYS: {
  readonly signing: "signing";
  readonly encryption: "encryption";
  readonly "min-dialect": "minDialect";
  readonly cover: "cover";
  readonly "case-sensitive": "caseSensitive";
  readonly "max-handles": "maxHandles";
  readonly "rescan-minutes": "rescanMinutes";
} = {
  signing: "signing",
  encryption: "encryption",
  "min-dialect": "minDialect",
  cover: "cover",
  "case-sensitive": "caseSensitive",
  "max-handles": "maxHandles",
  "rescan-minutes": "rescanMinutes",
};

export type ShareSettings = Partial<Pick<ConnectionConfig, (typeof KEYS)[keyof typeof KEYS]>>;

/** What the command line says of a connection, checked as the configuration would be. @throws UsageError */
export function shareSettings(invocation: Pick<Invocation, "flag" | "text">): ShareSettings {
  const settings: Record<string, unknown> = {};
  for (const [name, key] of Object.entries(KEYS)) {
    if (!invocation.flag(name)) continue;
    const text = invocation.text(name);
    const { format } = CONNECTION_OPTIONS[key];
    const value = text === undefined ? true : format.fromText(text);
    const reason = format.problem(value);
    if (reason !== undefined) throw new UsageError(`--${name}: ${JSON.stringify(text)} ${reason}`);
    settings[key] = value;
  }
  return settings;
}
