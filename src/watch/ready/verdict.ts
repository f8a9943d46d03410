import type { ProbeOutcome } from "../facts.ts";
import type { ResolvedReady } from "../ready-options.ts";
import { type EntryInfo, type ProbedFile, SourceError } from "../source.ts";

/** By how much the server's clock, as we know it, may be wrong. */
const CLOCK_MS = 250;

/** A file as looks have found it, and when it was first found so: monotonic ms. */
export interface Seen {
  readonly size: number;
  readonly modified: bigint;
  readonly at: number;
}

/**
 * - `drop`:  no file, nothing to tell.
 * - `tell`:  it is ready; `closed`: the server says that nobody writes it.
 * - `pause`: it is asked about again after a pause, which grows; at the latest at `atLatest`.
 * - `quiet`: it is looked at again after the quiet time.
 */
export type Verdict =
  | { readonly what: "drop" }
  | { readonly what: "tell"; readonly closed: boolean }
  | { readonly what: "pause"; readonly atLatest?: number }
  | { readonly what: "quiet" };

export interface Circumstances {
  readonly options: ResolvedReady;
  /** Monotonic ms, as `since` and `late`. */
  readonly now: number;
  /** First change since it was told last. */
  readonly since: number;
  /** `maxWaitMs` is over. */
  readonly late: boolean;
  readonly seen: Seen;
  /** FILETIME of the server's clock, where it is known. */
  readonly serverTime: bigint | undefined;
}

export function seenAs(before: Seen | undefined, { size, modified }: EntryInfo, now: number): Seen {
  return before?.size === size && before.modified === modified ? before : { size, modified, at: now };
}

/** What becomes of a file that has been looked at. */
export function verdictOn({ writer, info }: ProbedFile, circumstances: Circumstances): Verdict {
  const { options, now, since, late, seen } = circumstances;
  if (info.type === "directory") return { what: "drop" };
  if (late) return { what: "tell", closed: false };
  if (writer === "open") return { what: "pause" };
  const filledAt = since + options.emptyAfterMs;
  if (info.size === 0 && now < filledAt) return { what: "pause", atLatest: filledAt };
  const unchanged = now - seen.at >= options.quietMs;
  // Nobody writes it by SMB. On the server itself somebody may: then it has been written lately.
  if (writer === "closed" && (unchanged || isOld(info, circumstances))) return { what: "tell", closed: true };
  if (writer === "unknown" && unchanged) return { what: "tell", closed: false };
  return { what: "quiet" };
}

/** Whether its last write is older than the quiet time, as far as clocks can say. */
function isOld({ modified }: EntryInfo, { serverTime, options }: Circumstances): boolean {
  if (serverTime === undefined) return false;
  const ageMs = Number(serverTime - modified) / 10_000;
  return ageMs >= options.quietMs - Math.min(CLOCK_MS, options.quietMs / 4);
}

/** As it is counted. */
export function outcomeOf(answer: ProbedFile | SourceError): ProbeOutcome {
  if (!(answer instanceof SourceError)) return answer.writer;
  return answer.failure === "gone" ? "gone" : "failed";
}
