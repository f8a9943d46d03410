/** The library: an SMB notify client, and a watch client for services that already have smb2nats running. */

export { createNtlmProvider } from "./auth/ntlm.ts";
export type { AuthExchange, AuthProvider, AuthTarget } from "./auth/provider.ts";
export { AbortedError, BadPathError, Smb2NatsError } from "./base/errors.ts";
export { type MirrorOptions, NoPictureError } from "./share/direct-mirror.ts";
export { SmbClient, type SmbClientOptions, type SmbEntry } from "./share/smb-client.ts";
export type { LiveEvent, StreamEvent, WatchStream, WatchStreamOptions } from "./share/watch-stream.ts";
export type {
  Change,
  ChangeAction,
  ChangesEvent,
  ResyncEvent,
  ResyncReason,
  StateEvent,
  WatchEvent,
} from "./watch/events.ts";
export type {
  Mirror,
  MirrorChange,
  MirrorEntry,
  MirrorPosition,
  MirrorReason,
  MirrorState,
  MirrorView,
} from "./watch/mirror/index.ts";
export { SourceError, type SourceFailure } from "./watch/source.ts";
