import { z } from "zod";
import type { ListedEntry } from "../../fleet/port.ts";
import type {
  Change,
  Late,
  PublicState,
  ResyncReason,
  ResyncScope,
  Via,
  WatchMode,
} from "../../watch/events.ts";
import type { MirrorEntry, MirrorReason } from "../../watch/mirror/index.ts";
import type { ErrorCode, RequestError } from "../errors.ts";
import type { Grant } from "../grants.ts";

/**
 * The frames of `/ws` (contract section 5). `connection_id` and `path` of an answer are those of the
 * request, character for character; `id` is echoed where it was given.
 */

export type RequestId = string | number;

interface WithId {
  readonly id?: RequestId | undefined;
}

export interface SubscribeRequest extends WithId {
  readonly action: "subscribe";
  readonly connection_id: string;
  readonly path: string;
  readonly recursive?: boolean | undefined;
  readonly detail?: "none" | "changes" | undefined;
  readonly since?: string | undefined;
  /** Begin with what is there. */
  readonly snapshot?: boolean | undefined;
  /** For how long what is no first news of a name is gathered. */
  readonly windowMs?: number | undefined;
}

export interface UnsubscribeRequest extends WithId {
  readonly action: "unsubscribe";
  readonly connection_id: string;
  readonly path: string;
}

export interface PingRequest extends WithId {
  readonly action: "ping";
}

export interface AuthRequest extends WithId {
  readonly action: "auth";
  readonly token: string;
}

export interface ListRequestFrame extends WithId {
  readonly action: "list";
  readonly connection_id: string;
  readonly path: string;
  readonly after?: string | undefined;
  readonly fresh?: boolean | undefined;
}

export interface ConnectionsRequest extends WithId {
  readonly action: "connections";
}

export interface WorkersRequest extends WithId {
  readonly action: "workers";
}

export interface WhoamiRequest extends WithId {
  readonly action: "whoami";
}

export type Request =
  | SubscribeRequest
  | UnsubscribeRequest
  | PingRequest
  | AuthRequest
  | ListRequestFrame
  | ConnectionsRequest
  | WorkersRequest
  | WhoamiRequest;

const id: z.ZodType<RequestId | undefined> = z.union([z.string().max(256), z.number()]).optional();
const connectionId: z.ZodType<string> = z.string().max(256);
// Longer paths are refused as paths, with their own code, not as messages.
const path: z.ZodString = z.string();

/** A missing one is the connection's root, as in Sambee. */
const pathOrRoot: z.ZodType<string> = path.default("");

/** docs/asyncapi.yaml describes the same, and a test compares the two. */
export const requestSchema: z.ZodType<Request> = z.discriminatedUnion("action", [
  z.object({
    action: z.literal("subscribe"),
    connection_id: connectionId,
    path: pathOrRoot,
    recursive: z.boolean().optional(),
    detail: z.enum(["none", "changes"]).optional(),
    since: z.string().max(256).optional(),
    snapshot: z.boolean().optional(),
    windowMs: z.number().int().min(0).max(5_000).optional(),
    id,
  }),
  z.object({ action: z.literal("unsubscribe"), connection_id: connectionId, path: pathOrRoot, id }),
  z.object({ action: z.literal("ping"), id }),
  z.object({ action: z.literal("auth"), token: z.string().min(1).max(16_384), id }),
  z.object({
    action: z.literal("list"),
    connection_id: connectionId,
    path,
    after: z.string().max(1_024).optional(),
    fresh: z.boolean().optional(),
    id,
  }),
  z.object({ action: z.literal("connections"), id }),
  z.object({ action: z.literal("workers"), id }),
  z.object({ action: z.literal("whoami"), id }),
]);

/** What an error frame says about the request it answers. */
export interface RequestContext {
  readonly connection_id?: string;
  readonly path?: string;
  readonly id?: RequestId;
}

export function contextOf(request: Request): RequestContext {
  return {
    ...("connection_id" in request ? { connection_id: request.connection_id, path: request.path } : {}),
    ...echoId(request.id),
  };
}

export type Parsed =
  | { readonly ok: true; readonly request: Request }
  | { readonly ok: false; readonly context: RequestContext; readonly message: string };

/** Never throws, whatever the text. Members that are not known are ignored. */
export function parseRequest(text: string): Parsed {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { ok: false, context: {}, message: "not JSON" };
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return { ok: false, context: {}, message: "not a JSON object" };
  }
  const result = requestSchema.safeParse(value);
  if (result.success) return { ok: true, request: result.data };
  const issue = result.error.issues[0];
  const where = issue?.path.join(".") ?? "";
  return {
    ok: false,
    context: contextIn(value as Readonly<Record<string, unknown>>),
    message:
      where === "action"
        ? "unknown action: subscribe, unsubscribe, ping, auth, list, connections, workers and whoami are known"
        : `${where === "" ? "message" : where}: ${issue?.message ?? "not understood"}`,
  };
}

function contextIn(value: Readonly<Record<string, unknown>>): RequestContext {
  const id = value["id"];
  const connection = value["connection_id"];
  const given = value["path"];
  return {
    ...(typeof connection === "string" ? { connection_id: connection } : {}),
    ...(typeof given === "string" ? { path: given } : {}),
    ...(typeof id === "string" || typeof id === "number" ? { id } : {}),
  };
}

interface About {
  readonly connection_id: string;
  readonly path: string;
}

export interface SubscribedFrame extends About {
  readonly type: "subscribed";
  readonly cursor?: string;
  /** What will not be told at once, and within which time it is. */
  readonly late?: Late;
  readonly id?: RequestId;
}

export interface UnsubscribedFrame extends About {
  readonly type: "unsubscribed";
  readonly id?: RequestId;
}

export interface DirectoryChangedFrame extends About {
  readonly type: "directory_changed";
  /** With `recursive`: the directory that changed, canonical, in the server's spelling. */
  readonly directory?: string;
  readonly cursor?: string;
  readonly changes?: readonly Change[];
  readonly epoch?: string;
  readonly seq?: number;
  readonly via?: Via;
  /** List again. */
  readonly resync?: true;
  readonly scope?: ResyncScope;
  readonly reason?: ResyncReason;
  /** Many were told: list again after a random part of this time, so that not all do at once. */
  readonly jitterMs?: number;
}

/** A part of what is there: see `SharedSnapshot`. */
export interface SnapshotFrame extends About {
  readonly type: "snapshot";
  /** Canonical, in the server's spelling: the subscribed one, and with `recursive` those below it, parents first. */
  readonly directory: string;
  /** From 0; with 0 what was known before is to be dropped. A directory may go on in the next one. */
  readonly page: number;
  /** With page 0, as is whether the server does not tell names apart by case. */
  readonly reason?: MirrorReason;
  readonly ignoreCase?: true;
  /** It has more entries than are remembered: only what changes of it is told. */
  readonly tooLarge?: true;
  readonly entries: readonly MirrorEntry[];
  /** Others follow. */
  readonly more?: true;
  /** With the last one. */
  readonly cursor?: string;
}

export interface StateFrame extends About {
  readonly type: "state";
  /** As in `directory_changed`, where the state is of a directory inside the subscription. */
  readonly directory?: string;
  readonly state: PublicState;
  readonly mode: WatchMode;
  readonly error?: string;
  readonly late?: Late;
}

export interface ErrorFrame extends RequestContext {
  readonly type: "error";
  readonly code: ErrorCode;
  readonly message: string;
}

export interface ListingFrame extends About {
  readonly type: "listing";
  readonly entries: readonly ListedEntry[];
  readonly next?: string;
  readonly id?: RequestId;
}

export interface ConnectionsFrame {
  readonly type: "connections";
  /** Those of which the client may see something, by name. */
  readonly connections: readonly string[];
  readonly id?: RequestId;
}

/** A worker as the client may see it. */
export interface SeenWorker {
  /** Of this run of it. */
  readonly name: string;
  /** `silent`: its last sign of life is overdue; it is taken for dead soon unless one comes. */
  readonly state: "serving" | "draining" | "silent";
  /** Of the connections the client may see: those it serves, */
  readonly connections: readonly string[];
  /** and those of them whose server it cannot reach. */
  readonly unreachable?: readonly string[];
  /** Since the gateway last heard of it, ms. */
  readonly heardMs?: number;
  /** For a client that may see all of one of its connections: */
  readonly host?: string;
  /** in all connections that the client may see all of, */
  readonly watches?: number;
  /** and how long its oldest unpublished message waited when it was last heard of, ms. */
  readonly lagMs?: number;
}

export interface WorkersFrame {
  readonly type: "workers";
  /** `false`: the gateway is cut off from the fleet, and this is how it was. */
  readonly current: boolean;
  readonly workers: readonly SeenWorker[];
  readonly id?: RequestId;
}

/** How the gateway sees the client. */
export interface WhoamiFrame {
  readonly type: "whoami";
  /** Of this socket; what operators see. */
  readonly client: string;
  /** Where it comes from, behind the proxies that are believed. */
  readonly address: string;
  /** As the handshake had them. */
  readonly origin?: string;
  readonly host?: string;
  /** Whose token it is. */
  readonly subject?: string;
  /** RFC 3339; absent where the token does not run out. */
  readonly expires?: string;
  readonly grants: readonly Grant[];
  readonly id?: RequestId;
}

/** Answers an `auth` frame that has an `id`. */
export interface AuthenticatedFrame {
  readonly type: "authenticated";
  /** RFC 3339; absent where the token does not run out. */
  readonly expires?: string;
  readonly id: RequestId;
}

export type ServerFrame =
  | SubscribedFrame
  | UnsubscribedFrame
  | { readonly type: "pong"; readonly id?: RequestId }
  | DirectoryChangedFrame
  | SnapshotFrame
  | StateFrame
  | ErrorFrame
  | ListingFrame
  | ConnectionsFrame
  | WorkersFrame
  | WhoamiFrame
  | AuthenticatedFrame;

/** `{id}` or nothing: `undefined` members are not part of a frame. */
export function echoId(id: RequestId | undefined): { readonly id?: RequestId } {
  return id === undefined ? {} : { id };
}

export function errorFrame(error: RequestError, context: RequestContext): ErrorFrame {
  return {
    type: "error",
    code: error.answer,
    message: error.message,
    ...(context.connection_id === undefined ? {} : { connection_id: context.connection_id }),
    ...(context.path === undefined ? {} : { path: context.path }),
    ...echoId(context.id),
  };
}
