/** The watch client: for services that have smb2nats running, and NATS to reach it by. */

export { AbortedError, BadPathError, DeadlineError, Smb2NatsError } from "./base/errors.ts";
export type { BrokerOptions } from "./broker/broker.ts";
export { BrokerError, type BrokerErrorCode } from "./broker/errors.ts";
export type { ConnectAuth, ConnectOptions } from "./broker/link/index.ts";
export type { StreamNames, StreamOptions } from "./broker/stream-config.ts";
export type { ClientChanges, ClientEvent, ClientLive, ClientResync, ClientState } from "./client/events.ts";
export type { MirrorOptions } from "./client/mirror-stream.ts";
export {
  connectWatchClient,
  type WatchClient,
  type WatchClientOptions,
  type WatchOptions,
} from "./client/watch-client.ts";
export { FleetError, type FleetFailure } from "./fleet/errors.ts";
export type { Cursor, ListedEntry, Listing, ListRequest } from "./fleet/port.ts";
export type { Change, ChangeAction, ResyncReason } from "./watch/events.ts";
export type {
  Mirror,
  MirrorChange,
  MirrorEntry,
  MirrorPosition,
  MirrorReason,
  MirrorState,
  MirrorView,
} from "./watch/mirror/index.ts";
