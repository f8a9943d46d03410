import { canonicalPath } from "../../base/path.ts";
import type { Change, Late } from "../../watch/events.ts";
import { BrokerError } from "../errors.ts";
import type { ChangesMessage, ResyncMessage, StateMessage } from "../message.ts";
import { isConnectionName } from "../subjects.ts";

/** The bodies of contract section 3, read from JSON that anyone with publish rights could have written. */

const MAX_CHANGES = 10_000;
const MAX_NAME = 1_024;
const MAX_TEXT = 4_096;
const RFC3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/;

const ACTIONS = ["added", "removed", "modified", "renamed", "ready"] as const;
const VIAS = ["notify", "rescan", "poll"] as const;
const SCOPES = ["self", "subtree"] as const;
const REASONS = [
  "overflow",
  "reconnect",
  "takeover",
  "server-cleanup",
  "silent",
  "outbox-full",
  "slow-consumer",
  "retention",
  "too-large",
] as const;
const STATES = ["live", "degraded", "gone", "denied", "unreachable"] as const;
const MODES = ["notify", "poll"] as const;
const TYPES = ["file", "directory"] as const;

type Fields = Readonly<Record<string, unknown>>;

export function readChanges(value: unknown): ChangesMessage {
  const body = fieldsOf(value, "body");
  const changes = body["changes"];
  if (!Array.isArray(changes) || changes.length > MAX_CHANGES) throw wrong("changes");
  return {
    ...readHead(body),
    epoch: text(body, "epoch", MAX_NAME),
    seq: count(body, "seq"),
    ...optional(body, "told", (field) => count(body, field)),
    time: time(body, "time"),
    via: oneOf(body, "via", VIAS),
    changes: changes.map(readChange),
  };
}

export function readResync(value: unknown): ResyncMessage {
  const body = fieldsOf(value, "body");
  return {
    ...readHead(body),
    epoch: text(body, "epoch", MAX_NAME),
    seq: count(body, "seq"),
    ...optional(body, "told", (field) => count(body, field)),
    time: time(body, "time"),
    scope: oneOf(body, "scope", SCOPES),
    reason: oneOf(body, "reason", REASONS),
    ...optional(body, "picture", (field) => oneOf(body, field, ["kept"] as const)),
  };
}

export function readState(value: unknown): StateMessage {
  const body = fieldsOf(value, "body");
  return {
    ...readHead(body),
    ...optional(body, "epoch", (field) => text(body, field, MAX_NAME)),
    ...optional(body, "seq", (field) => count(body, field)),
    time: time(body, "time"),
    state: oneOf(body, "state", STATES),
    mode: oneOf(body, "mode", MODES),
    ...optional(body, "error", (field) => text(body, field, MAX_TEXT)),
    ...optional(body, "late", (field) => readLate(body[field])),
  };
}

function readLate(value: unknown): Late {
  const late = fieldsOf(value, "late");
  return { names: count(late, "names"), ...optional(late, "contents", (field) => count(late, field)) };
}

function readHead(body: Fields): { readonly connection: string; readonly path: string } {
  const connection = text(body, "connection", MAX_NAME);
  if (!isConnectionName(connection)) throw wrong("connection");
  return { connection, path: path(body, "path") };
}

/** Field by field, without an object and a function for each that may be there: messages have a thousand of them. */
function readChange(value: unknown): Change {
  const from = fieldsOf(value, "changes");
  const change: { -readonly [K in keyof Change]: Change[K] } = {
    action: oneOf(from, "action", ACTIONS),
    name: name(from, "name"),
  };
  if (from["oldName"] !== undefined) change.oldName = name(from, "oldName");
  if (from["stream"] !== undefined) change.stream = flag(from, "stream");
  if (from["movedTo"] !== undefined) change.movedTo = path(from, "movedTo");
  if (from["movedFrom"] !== undefined) change.movedFrom = path(from, "movedFrom");
  if (from["type"] !== undefined) change.type = oneOf(from, "type", TYPES);
  if (from["size"] !== undefined) change.size = count(from, "size");
  if (from["modified"] !== undefined) change.modified = time(from, "modified");
  if (from["fileId"] !== undefined) change.fileId = fileId(from, "fileId");
  if (from["emptied"] !== undefined) change.emptied = flag(from, "emptied");
  if (from["settled"] !== undefined) change.settled = flag(from, "settled");
  if (from["closed"] !== undefined) change.closed = either(from, "closed");
  return change;
}

function fieldsOf(value: unknown, what: string): Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw wrong(what);
  return value as Fields;
}

function optional<K extends string, T>(
  fields: Fields,
  field: K,
  read: (field: K) => T,
): { readonly [P in K]?: T } {
  if (fields[field] === undefined) return {};
  return { [field]: read(field) } as { readonly [P in K]?: T };
}

function text(fields: Fields, field: string, limit: number): string {
  const value = fields[field];
  if (typeof value !== "string" || value.length > limit) throw wrong(field);
  return value;
}

function name(fields: Fields, field: string): string {
  const value = text(fields, field, MAX_NAME);
  if (value === "" || value.includes("/")) throw wrong(field);
  return value;
}

function path(fields: Fields, field: string): string {
  const value = text(fields, field, MAX_TEXT);
  try {
    if (canonicalPath(value) === value) return value;
  } catch (error) {
    throw new BrokerError("BROKER_MALFORMED", `event message: ${field}`, error);
  }
  throw wrong(field);
}

function count(fields: Fields, field: string): number {
  const value = fields[field];
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) throw wrong(field);
  return value;
}

function time(fields: Fields, field: string): string {
  const value = text(fields, field, MAX_NAME);
  if (!RFC3339.test(value)) throw wrong(field);
  return value;
}

function fileId(fields: Fields, field: string): string {
  const value = text(fields, field, 20);
  if (!/^\d{1,20}$/.test(value)) throw wrong(field);
  return value;
}

function flag(fields: Fields, field: string): true {
  if (fields[field] !== true) throw wrong(field);
  return true;
}

function either(fields: Fields, field: string): boolean {
  const value = fields[field];
  if (typeof value !== "boolean") throw wrong(field);
  return value;
}

function oneOf<T extends string>(fields: Fields, field: string, values: readonly T[]): T {
  const value = fields[field];
  for (const candidate of values) if (candidate === value) return candidate;
  throw wrong(field);
}

function wrong(field: string): BrokerError {
  return new BrokerError("BROKER_MALFORMED", `event message: ${field} is missing or wrong`);
}
