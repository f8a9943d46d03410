import { host, listenPort, oneOf } from "./formats.ts";
import { type OptionTree, option, secretFile, word } from "./option.ts";
import { gateway, nats, worker } from "./options/index.ts";
import type { Config } from "./types.ts";

export { envName, isOption, type Leaf, leavesOf, type Option, type OptionTree } from "./option.ts";
export { CONNECTION_OPTIONS, WATCH_OPTIONS } from "./options/index.ts";

/** Every value an operator can set, but for the entries of `connections` and `watches`. */
export const OPTIONS: OptionTree<Omit<Config, "connections" | "watches">> = {
  account: {
    username: word(
      "Account for shares named on the command line, and for connections without one.",
      "SMB2NATS_USERNAME",
    ),
    domain: word("Its domain or realm.", "SMB2NATS_DOMAIN"),
    passwordFile: secretFile("File with its password.", "SMB2NATS_PASSWORD_FILE"),
  },
  nats,
  events: {
    mode: option(
      oneOf("binary", "structured"),
      "binary",
      "How messages are CloudEvents: attributes in headers, or all in one JSON body, for readers that know nothing else.",
    ),
  },
  worker,
  gateway,
  http: {
    host: option(
      host,
      "127.0.0.1",
      "Address of the operators' endpoints: /metrics, /healthz, /readyz, /version.",
    ),
    port: option(listenPort, 9_464, "Their port; 0 takes a free one."),
  },
  log: {
    level: option(
      oneOf("trace", "debug", "info", "warn", "error", "fatal"),
      "info",
      "Least severe line written.",
    ),
    format: option(oneOf("auto", "json", "pretty"), "auto", "`auto` is `pretty` on a terminal, else `json`."),
  },
};
