import { createHash } from "node:crypto";
import { type CanonicalPath, foldCase, segmentsOf } from "../base/path.ts";
import { BrokerError } from "./errors.ts";
import { base32, decodeToken, encodeToken, wtf8 } from "./token.ts";

/**
 * Names of watches in NATS subjects and KV keys (contract sections 2 and 4).
 *
 * A *name* is `<conn>` for a connection's root and `<conn>.<token>…` below it. At the first segment with which
 * the name would pass 512 bytes or 48 tokens, the rest becomes one token `=h` + base32 (RFC 4648 alphabet in
 * lower case, no padding) of the first 16 bytes of the SHA-256 of the folded rest (`seg/seg`, WTF-8). The cut
 * token comes on top of the budget, so a name is at most 541 bytes and 49 tokens, and a directory that fits is
 * always a prefix of everything below it.
 */
export type WatchName = string;

export const MAX_NAME_BYTES: number = 512;
export const MAX_NAME_TOKENS: number = 48;
/** `.=h` and 26 characters of base32. */
export const CUT_TOKEN_BYTES: number = 29;

const PREFIX = /^[A-Za-z0-9_-]{1,32}$/;
const CONNECTION = /^[a-z0-9][a-z0-9_-]{0,62}$/;
const IDENTIFIER = /^[A-Za-z0-9_-]{1,64}$/;
const CUT_TOKEN = /^=h[a-z2-7]{26}$/;

export function isConnectionName(name: string): boolean {
  return CONNECTION.test(name);
}

/** @throws BrokerError `BROKER_BAD_NAME` */
export function watchName(connection: string, path: CanonicalPath, caseSensitive: boolean): WatchName {
  if (!isConnectionName(connection)) throw badName("connection", connection);
  const segments = segmentsOf(path).map((segment) => (caseSensitive ? segment : foldCase(segment)));
  let name = connection;
  let tokens = 1;
  for (const [index, segment] of segments.entries()) {
    const longer = `${name}.${encodeToken(segment)}`;
    tokens++;
    if (longer.length > MAX_NAME_BYTES || tokens > MAX_NAME_TOKENS) {
      return `${name}.${cutToken(segments.slice(index))}`;
    }
    name = longer;
  }
  return name;
}

function cutToken(rest: readonly string[]): string {
  const digest = createHash("sha256")
    .update(wtf8(rest.join("/")))
    .digest();
  return `=h${base32(digest.subarray(0, 16))}`;
}

/**
 * The subjects of one fleet: with the prefix `smb` events are told on `smb.<name>`, published to `smbin.<name>`, and
 * the control API is `smb2nats.…`. Fleets that see each other's subjects need prefixes of their own.
 */
export class Subjects {
  readonly prefix: string;
  readonly #events: string;
  readonly #ingest: string;

  /** @throws BrokerError `BROKER_BAD_OPTIONS` */
  constructor(prefix = "smb") {
    if (!PREFIX.test(prefix)) {
      const shown = JSON.stringify(prefix.slice(0, 100));
      throw new BrokerError("BROKER_BAD_OPTIONS", `bad subject prefix ${shown}: A-Z a-z 0-9 _ -, at most 32`);
    }
    this.prefix = prefix;
    this.#events = `${prefix}.`;
    this.#ingest = `${prefix}in.`;
  }

  /** All that subscribers see. */
  get allEvents(): string {
    return `${this.#events}>`;
  }

  /** All that workers publish. */
  get allIngest(): string {
    return `${this.#ingest}>`;
  }

  /** The subject subscribers see. */
  event(name: WatchName): string {
    return this.#events + name;
  }

  /** The subject workers publish to. */
  ingest(name: WatchName): string {
    return this.#ingest + name;
  }

  /** An endpoint of the control API: `directory.list`. */
  control(endpoint: string): string {
    return `${this.prefix}2nats.${endpoint}`;
  }

  /** What was published to, as subscribers see it; anything else unchanged. */
  toEvent(subject: string): string {
    return subject.startsWith(this.#ingest) ? this.#events + subject.slice(this.#ingest.length) : subject;
  }

  /** Reads a subject of events, as subscribers or as workers have it. @throws BrokerError `BROKER_MALFORMED` */
  parse(subject: string): ParsedName {
    for (const prefix of [this.#events, this.#ingest]) {
      if (subject.startsWith(prefix)) return parseName(subject.slice(prefix.length));
    }
    throw malformed(subject, "not an event subject");
  }
}

/** Whether the rest of the path was replaced by a hash: what is below cannot be told apart by subject. */
export function isCut(name: WatchName): boolean {
  return CUT_TOKEN.test(lastToken(name));
}

/**
 * Names (with wildcard) that together match a directory and, with `recursive`, all below it. Below a cut they match
 * more than asked for, so filter by the `path` of the body.
 */
export function scopeNames(name: WatchName, recursive: boolean): readonly string[] {
  if (!recursive) return [name];
  if (isCut(name)) return [`${name.slice(0, name.lastIndexOf("."))}.*`];
  return [name, `${name}.>`];
}

export interface ParsedName {
  readonly connection: string;
  /** Folded, unless the connection is case-sensitive. With `cut`, the part above the cut. */
  readonly path: CanonicalPath;
  /** The rest is known by its hash only. */
  readonly cut: boolean;
}

/** @throws BrokerError `BROKER_MALFORMED` */
export function parseName(name: WatchName): ParsedName {
  const [connection = "", ...tokens] = name.split(".");
  if (!isConnectionName(connection)) throw malformed(name, "no connection name");
  const cut = tokens.length > 0 && CUT_TOKEN.test(lastToken(name));
  const segments = (cut ? tokens.slice(0, -1) : tokens).map((token) => {
    const segment = decodeToken(token);
    if (segment === undefined) throw malformed(name, `token ${JSON.stringify(token)}`);
    return segment;
  });
  return { connection, path: `/${segments.join("/")}`, cut };
}

/** `lease.<kind>.<leaseId>`. @throws BrokerError `BROKER_BAD_NAME` */
export function leaseKey(kind: string, leaseId: string): string {
  return `lease.${identifier("lease kind", kind)}.${identifier("lease id", leaseId)}`;
}

/** `ref.<leaseId>.<name>.=d`, or `.=t` for the tree. @throws BrokerError `BROKER_BAD_NAME` */
export function refKey(leaseId: string, name: WatchName, recursive: boolean): string {
  return `ref.${identifier("lease id", leaseId)}.${scopeKey(name, recursive)}`;
}

/** `claim.<name>.=d`, or `.=t` for the tree. */
export function claimKey(name: WatchName, recursive: boolean): string {
  return `claim.${scopeKey(name, recursive)}`;
}

/** No segment encodes to `=d` or `=t`, so the scope cannot be taken for a directory. */
function scopeKey(name: WatchName, recursive: boolean): string {
  return `${name}.${recursive ? "=t" : "=d"}`;
}

export type ParsedKey =
  | { readonly type: "lease"; readonly kind: string; readonly leaseId: string }
  | { readonly type: "ref"; readonly leaseId: string; readonly name: WatchName; readonly recursive: boolean }
  | { readonly type: "claim"; readonly name: WatchName; readonly recursive: boolean };

/** `undefined` for keys that are not ours. Names inside are not decoded; see `parseName`. */
export function parseKey(key: string): ParsedKey | undefined {
  const tokens = key.split(".");
  const [type, second = "", third = ""] = tokens;
  if (type === "lease") {
    const valid = tokens.length === 3 && IDENTIFIER.test(second) && IDENTIFIER.test(third);
    return valid ? { type, kind: second, leaseId: third } : undefined;
  }
  if (type !== "ref" && type !== "claim") return undefined;
  const scope = tokens.at(-1);
  if (scope !== "=d" && scope !== "=t") return undefined;
  const nameTokens = tokens.slice(type === "ref" ? 2 : 1, -1);
  if (!isConnectionName(nameTokens[0] ?? "") || nameTokens.includes("")) return undefined;
  const name = nameTokens.join(".");
  const recursive = scope === "=t";
  if (type === "claim") return { type, name, recursive };
  return IDENTIFIER.test(second) ? { type, leaseId: second, name, recursive } : undefined;
}

function identifier(what: string, value: string): string {
  if (!IDENTIFIER.test(value)) throw badName(what, value);
  return value;
}

function lastToken(name: string): string {
  return name.slice(name.lastIndexOf(".") + 1);
}

function badName(what: string, value: string): BrokerError {
  return new BrokerError("BROKER_BAD_NAME", `bad ${what} ${JSON.stringify(value.slice(0, 100))}`);
}

function malformed(subject: string, reason: string): BrokerError {
  return new BrokerError("BROKER_MALFORMED", `${JSON.stringify(subject.slice(0, 600))}: ${reason}`);
}
