import {
  CONFIG_VARIABLE,
  type ConnectionArgument,
  type LoadedConfig,
  loadConfig,
} from "../ops/config/index.ts";
import type { Context, Invocation } from "./command.ts";

/** Path of the configuration file, from `--config` or the environment. */
export function configFile(invocation: Invocation, { env }: Pick<Context, "env">): string | undefined {
  const file = invocation.text("config") ?? env[CONFIG_VARIABLE];
  return file === "" ? undefined : file;
}

/** @throws ConfigError */
export function loadFor(
  invocation: Invocation,
  context: Pick<Context, "env">,
  argument?: ConnectionArgument,
): LoadedConfig {
  return loadConfig({ file: configFile(invocation, context), env: context.env, argument });
}
