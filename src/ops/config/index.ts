/** The face of `config`: the configuration as it is in force, and what is wrong with it. */

export { type ConnectionArgument, type LoadedConfig, loadConfig } from "./config.ts";
export { CONFIG_VARIABLE, type Environment } from "./env.ts";
export { isMap, parseYaml } from "./file.ts";
export { parseHostAndPort } from "./formats.ts";
export { CONNECTION_OPTIONS } from "./schema.ts";
export { secretProblems } from "./secret-files.ts";
export type {
  AskConfig,
  Config,
  ConnectionConfig,
  GatewayAuthConfig,
  LogConfig,
  LogLevel,
  NatsConfig,
  NotifyFilter,
  PinnedWatch,
  UpstreamConfig,
} from "./types.ts";
export { ConfigWatch } from "./watch.ts";
