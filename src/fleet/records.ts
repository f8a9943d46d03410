import { canonicalPath } from "../base/path.ts";
import type { Late, PublicState, WatchMode } from "../watch/events.ts";
import { BadRecordError, isFleetErrorCode } from "./errors.ts";
import type { FleetErrorCode, WatchTarget } from "./port.ts";

/**
 * The JSON values of the bucket (contract section 4). Everyone with write access to the bucket can put
 * anything there, so decoding is bounded and strict on what we use, and blind to what we do not know.
 */

/** Longest value looked at, bytes. A path of 4,096 bytes may take six times that as JSON escapes. */
export const MAX_RECORD_BYTES: number = 256 * 1024;
const MAX_NAMES = 4_096;
const MAX_TEXT = 1_024;
const MIN_TTL_MS = 500;
const MAX_TTL_MS = 600_000;

export type LeaseKind = "worker" | "gateway" | "client";

export interface LeaseRecord {
  readonly kind: LeaseKind;
  /** Milliseconds without renewal after which others may revoke it. */
  readonly ttlMs: number;
  readonly host: string;
  /** Grows by one per renewal, so that a holder recognises its own writes. */
  readonly seq: number;
  /** Worker: how many watches it takes at most. */
  readonly capacity?: number;
  /** Worker: it is leaving; assign nothing to it. */
  readonly draining?: boolean;
  /** Worker: connections it can serve. */
  readonly connections?: readonly string[];
  /** Worker: those of `connections` whose server tells names apart by case. */
  readonly caseSensitive?: readonly string[];
  /** Worker: connections it cannot take now (limits of its own or of the server). */
  readonly deny?: readonly string[];
  /** Version of the program, for `status`. */
  readonly version?: string;
  /** Worker: what waited to be published at the last renewal; absent when nothing did. */
  readonly lag?: { readonly messages: number; readonly ms: number };
}

export type RefRecord = WatchTarget;

/** `starting`: nothing is armed yet. `warm`: armed and listed, but another claim still publishes this scope. */
export type ClaimState = PublicState | "starting" | "warm";

export interface ClaimRecord extends WatchTarget {
  /** The owner. */
  readonly lease: string;
  readonly state: ClaimState;
  readonly mode: WatchMode;
  readonly code?: FleetErrorCode;
  readonly error?: string;
  readonly late?: Late;
  /** Who prepares to take over, and whether its watch is armed and listed. */
  readonly next?: { readonly lease: string; readonly ready: boolean };
  /** Set when the former owner handed over after telling all it knew: no gap, so no resync. */
  readonly clean?: boolean;
}

export function encodeRecord(record: LeaseRecord | RefRecord | ClaimRecord): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(record));
}

/** @throws BadRecordError */
export function decodeLease(data: Uint8Array): LeaseRecord {
  const at = reader("lease", data);
  const kind = at.oneOf("kind", ["worker", "gateway", "client"] as const);
  const capacity = at.optionalCount("capacity");
  const connections = at.names("connections");
  const caseSensitive = at.names("caseSensitive");
  const deny = at.names("deny");
  const version = at.optionalText("version");
  const lag = at.object("lag");
  const ttlMs = at.count("ttlMs");
  if (ttlMs < MIN_TTL_MS || ttlMs > MAX_TTL_MS) {
    throw new BadRecordError("lease", `ttlMs outside ${MIN_TTL_MS}-${MAX_TTL_MS}`);
  }
  return {
    kind,
    ttlMs,
    host: at.optionalText("host") ?? "",
    seq: at.optionalCount("seq") ?? 0,
    ...(capacity === undefined ? {} : { capacity }),
    ...(at.flag("draining") ? { draining: true } : {}),
    ...(connections === undefined ? {} : { connections }),
    ...(caseSensitive === undefined ? {} : { caseSensitive }),
    ...(deny === undefined ? {} : { deny }),
    ...(version === undefined ? {} : { version }),
    ...(lag === undefined ? {} : { lag: { messages: lag.count("messages"), ms: lag.count("ms") } }),
  };
}

/** @throws BadRecordError */
export function decodeRef(data: Uint8Array): RefRecord {
  return reader("ref", data).target();
}

/** @throws BadRecordError */
export function decodeClaim(data: Uint8Array): ClaimRecord {
  const at = reader("claim", data);
  const code = at.optionalText("code");
  const error = at.optionalText("error");
  const next = at.object("next");
  const late = at.object("late");
  return {
    lease: at.text("lease"),
    ...at.target(),
    state: at.oneOf("state", [
      "starting",
      "warm",
      "live",
      "degraded",
      "gone",
      "denied",
      "unreachable",
    ] as const),
    mode: at.oneOf("mode", ["notify", "poll"] as const),
    ...(isFleetErrorCode(code) ? { code } : {}),
    ...(error === undefined ? {} : { error }),
    ...(late === undefined ? {} : { late: late.late() }),
    ...(next === undefined ? {} : { next: { lease: next.text("lease"), ready: next.flag("ready") } }),
    ...(at.flag("clean") ? { clean: true } : {}),
  };
}

type Kind = "lease" | "ref" | "claim";

function reader(kind: Kind, data: Uint8Array): FieldReader {
  if (data.length > MAX_RECORD_BYTES) throw new BadRecordError(kind, `over ${MAX_RECORD_BYTES} bytes`);
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(data));
  } catch {
    throw new BadRecordError(kind, "not JSON");
  }
  return new FieldReader(kind, value);
}

class FieldReader {
  readonly #kind: Kind;
  readonly #fields: ReadonlyMap<string, unknown>;

  constructor(kind: Kind, value: unknown) {
    this.#kind = kind;
    if (typeof value !== "object" || value === null || Array.isArray(value)) this.#fail("not an object");
    this.#fields = new Map(Object.entries(value as object));
  }

  #fail(reason: string): never {
    throw new BadRecordError(this.#kind, reason);
  }

  text(name: string): string {
    return this.optionalText(name) ?? this.#fail(`${name} is absent`);
  }

  optionalText(name: string): string | undefined {
    const value = this.#fields.get(name);
    if (value === undefined) return undefined;
    if (typeof value !== "string" || value.length > MAX_TEXT) this.#fail(`${name} is no short text`);
    return value as string;
  }

  count(name: string): number {
    return this.optionalCount(name) ?? this.#fail(`${name} is absent`);
  }

  optionalCount(name: string): number | undefined {
    const value = this.#fields.get(name);
    if (value === undefined) return undefined;
    if (!Number.isSafeInteger(value) || (value as number) < 0) this.#fail(`${name} is no count`);
    return value as number;
  }

  flag(name: string): boolean {
    const value = this.#fields.get(name) ?? false;
    if (typeof value !== "boolean") this.#fail(`${name} is neither true nor false`);
    return value as boolean;
  }

  oneOf<const T extends string>(name: string, allowed: readonly T[]): T {
    const value = this.#fields.get(name);
    return allowed.find((item) => item === value) ?? this.#fail(`${name} is none of ${allowed.join(", ")}`);
  }

  names(name: string): readonly string[] | undefined {
    const value = this.#fields.get(name);
    if (value === undefined) return undefined;
    const fits = (item: unknown): boolean => typeof item === "string" && item.length <= MAX_TEXT;
    if (!Array.isArray(value) || value.length > MAX_NAMES || !value.every(fits)) {
      this.#fail(`${name} is no list of names`);
    }
    return value as string[];
  }

  object(name: string): FieldReader | undefined {
    const value = this.#fields.get(name);
    return value === undefined ? undefined : new FieldReader(this.#kind, value);
  }

  late(): Late {
    const contents = this.optionalCount("contents");
    return { names: this.count("names"), ...(contents === undefined ? {} : { contents }) };
  }

  target(): WatchTarget {
    const connection = this.text("connection");
    if (!/^[a-z0-9][a-z0-9_-]{0,62}$/.test(connection)) this.#fail("connection is no name");
    const path = this.#fields.get("path");
    if (typeof path !== "string") this.#fail("path is no text");
    const recursive = this.#fields.get("recursive");
    if (typeof recursive !== "boolean") this.#fail("recursive is neither true nor false");
    try {
      return { connection, path: canonicalPath(path as string), recursive: recursive as boolean };
    } catch {
      return this.#fail("path is refused");
    }
  }
}
