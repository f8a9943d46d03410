/** The face of `link`: the connection to NATS, and streams read by it. */

export type { ConnectAuth, ConnectOptions } from "./connect-options.ts";
export { mergeBySequence, type StoredMessage } from "./delivery.ts";
export { NatsLink } from "./link.ts";
export { toBrokerError } from "./nats-errors.ts";
export { StreamReader } from "./reader.ts";
