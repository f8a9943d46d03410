import { createHash } from "node:crypto";
import { canonicalPath } from "../../base/path.ts";
import { jsonText } from "../../base/printable.ts";
import { BrokerError } from "../errors.ts";
import { EVENT_TYPES, type EventMessage } from "../message.ts";
import type { ParsedName, Subjects } from "../subjects.ts";
import { base32 } from "../token.ts";
import { readChanges, readResync, readState } from "./message-body.ts";

/**
 * How an event message is a CloudEvent 1.0 (NATS binding): `binary` has the attributes in headers and our body alone as
 * payload; `structured` has both in one JSON payload, our body as its `data`.
 */
export type EventMode = "binary" | "structured";

export interface EncodedMessage {
  /** `ce-id` and `Nats-Msg-Id`: `<epoch>:<seq>`; for a message without epoch, a hash of its body. */
  readonly id: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly payload: Uint8Array;
}

const STRUCTURED = "application/cloudevents";
/** A larger body is not looked at. Ours are at most 512 KiB. */
const MAX_BODY_BYTES = 8 * 1_048_576;
const UTF8 = new TextDecoder("utf-8", { fatal: true });

/** @param source `smb://<server>/<share>` */
export function encodeMessage(
  message: EventMessage,
  source: string,
  mode: EventMode = "binary",
): EncodedMessage {
  const { type, body } = message;
  // Whoever looks with `nats sub` has a terminal, too.
  const payload = Buffer.from(jsonText(body), "utf8");
  const id =
    body.epoch === undefined || body.seq === undefined
      ? base32(createHash("sha256").update(payload).digest().subarray(0, 16))
      : messageId(body.epoch, body.seq);
  if (mode === "structured") return structured(message, id, source);
  return {
    id,
    payload,
    headers: {
      "Nats-Msg-Id": id,
      "ce-specversion": "1.0",
      "ce-id": encodeHeaderValue(id),
      "ce-source": encodeHeaderValue(source),
      "ce-type": EVENT_TYPES[type],
      "ce-subject": encodeHeaderValue(body.path),
      "ce-time": body.time,
      "ce-datacontenttype": "application/json",
    },
  };
}

/** No `ce-` header beside it: readers take a message that has one for binary. */
function structured({ type, body }: EventMessage, id: string, source: string): EncodedMessage {
  const event = {
    specversion: "1.0",
    id,
    source,
    type: EVENT_TYPES[type],
    subject: body.path,
    time: body.time,
    datacontenttype: "application/json",
    data: body,
  };
  return {
    id,
    payload: Buffer.from(jsonText(event), "utf8"),
    headers: { "Nats-Msg-Id": id, "Content-Type": `${STRUCTURED}+json; charset=utf-8` },
  };
}

export function messageId(epoch: string, seq: number): string {
  return `${epoch}:${seq}`;
}

/**
 * Reads a message of the stream, in either mode. Unknown fields are dropped; what is known must be right.
 * @throws BrokerError `BROKER_MALFORMED`
 */
export function decodeMessage(
  header: (name: string) => string | undefined,
  payload: Uint8Array,
): EventMessage {
  const { specversion, type, body } = attributes(header, parseJson(payload));
  if (specversion !== "1.0") throw malformed(`ce-specversion is ${String(specversion ?? "absent")}`);
  switch (type) {
    case EVENT_TYPES.changes:
      return { type: "changes", body: readChanges(body) };
    case EVENT_TYPES.resync:
      return { type: "resync", body: readResync(body) };
    case EVENT_TYPES.state:
      return { type: "state", body: readState(body) };
    default:
      throw malformed(`ce-type is ${String(type ?? "absent")}`);
  }
}

function attributes(
  header: (name: string) => string | undefined,
  payload: unknown,
): { readonly specversion: unknown; readonly type: unknown; readonly body: unknown } {
  if (header("Content-Type")?.toLowerCase().startsWith(STRUCTURED) !== true) {
    return { specversion: header("ce-specversion"), type: header("ce-type"), body: payload };
  }
  if (typeof payload !== "object" || payload === null) throw malformed("not an object");
  const { specversion, type, data } = payload as Readonly<Record<string, unknown>>;
  return { specversion, type, body: data };
}

/**
 * Stands for a message that breaks the contract: whatever it said, listing the directory of its subject makes up for it,
 * or listing everything where the subject is broken, too.
 */
export function unreadable(
  connection: string,
  { subjects, subject }: { readonly subjects: Subjects; readonly subject: string },
  sequence: number,
  time: number,
): EventMessage {
  const head = { connection, epoch: "unreadable", seq: sequence, time: new Date(time).toISOString() };
  const { path, cut } = parsedOrRoot(connection, subjects, subject);
  const scope = cut ? "subtree" : "self";
  return { type: "resync", body: { ...head, path, scope, reason: "retention" } };
}

function parsedOrRoot(connection: string, subjects: Subjects, subject: string): ParsedName {
  try {
    const parsed = subjects.parse(subject);
    if (canonicalPath(parsed.path) === parsed.path) return parsed;
  } catch {
    // fall through: told by the caller as a fact
  }
  return { connection, path: "/", cut: true };
}

function parseJson(payload: Uint8Array): unknown {
  if (payload.length > MAX_BODY_BYTES) throw malformed(`${payload.length} bytes, limit ${MAX_BODY_BYTES}`);
  try {
    return JSON.parse(UTF8.decode(payload));
  } catch (error) {
    throw new BrokerError("BROKER_MALFORMED", "event message: the body is not JSON", error);
  }
}

/**
 * CloudEvents NATS binding 3.1.3.2: space, double quote, percent and everything outside U+0021-U+007E becomes
 * percent-encoded UTF-8. A lone surrogate of a file name becomes U+FFFD; the body has the name itself.
 */
export function encodeHeaderValue(value: string): string {
  if (/^[!#$&-~]*$/.test(value)) return value;
  let encoded = "";
  for (const byte of Buffer.from(value, "utf8")) {
    const plain = byte > 0x20 && byte < 0x7f && byte !== 0x22 && byte !== 0x25;
    encoded += plain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return encoded;
}

export function decodeHeaderValue(value: string): string {
  const bytes: number[] = [];
  for (let at = 0; at < value.length; at++) {
    const hex = value[at] === "%" ? value.slice(at + 1, at + 3) : "";
    if (/^[0-9A-Fa-f]{2}$/.test(hex)) {
      bytes.push(Number.parseInt(hex, 16));
      at += 2;
    } else {
      bytes.push(...Buffer.from(value[at] ?? "", "utf8"));
    }
  }
  return Buffer.from(bytes).toString("utf8");
}

function malformed(reason: string): BrokerError {
  return new BrokerError("BROKER_MALFORMED", `event message: ${reason}`);
}
