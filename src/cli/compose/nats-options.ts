import type { Config } from "../../ops/config/index.ts";
import type { Context, Invocation } from "../command.ts";
import { loadFor } from "../load-config.ts";
import { numberOption } from "../number-option.ts";

export interface NatsOptions {
  readonly config: Config;
  /** Longest wait for NATS and for each question to it, ms. */
  readonly timeoutMs: number;
}

const DEFAULT_TIMEOUT_S = 10;

/** The configuration, with what `NATS_OPTIONS` say otherwise. @throws ConfigError, UsageError */
export function natsOptions(invocation: Invocation, { env }: Pick<Context, "env">): NatsOptions {
  const seconds = numberOption(invocation, "timeout", { min: 0.1, max: 3_600 }) ?? DEFAULT_TIMEOUT_S;
  const server = invocation.text("server");
  const { config } = loadFor(invocation, {
    env: server === undefined ? env : { ...env, SMB2NATS_NATS_SERVERS: server },
  });
  return { config, timeoutMs: seconds * 1_000 };
}
