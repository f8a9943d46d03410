import type { ResyncReason } from "../events.ts";

/*
 * Whether a message goes on from a snapshot. The owner of a watch numbers what it tells; a snapshot of it knows of
 * everything up to its own number, whenever the messages arrive: they may have waited in an outbox. Another owner is
 * another epoch. One that goes on from what was told before needs no new snapshot; one that cannot says so by a
 * `resync`. Pure functions. The first row that fits decides.
 *
 *   row         the message                                         verdict
 *   ---------------------------------------------------------------------------------------------------------------------
 *   foreign     its epoch cannot be compared (another bucket)       a new snapshot
 *   former      of an epoch before the snapshot's, or before one
 *               that has spoken since                               old: its successor does not go on from it
 *   loose       of a later epoch; the snapshot's owner may have     a new snapshot: the successor knows only what is in
 *               ended before all it knew of was stored              the stream
 *   known       of the same epoch, told before the snapshot         old
 *   lost        a resync that does not say `picture: kept`          a new snapshot
 *   next        any other                                           apply
 */

/** How far a picture has come. */
export interface MirrorBase {
  readonly epoch: string;
  /** Everything told up to this number in that epoch is in it. */
  readonly told: number;
  /** All of that is in the stream, so a later owner goes on from it. */
  readonly stored: boolean;
}

export interface MirrorMessage {
  readonly epoch: string;
  /** Absent: not told in any order with snapshots, and newer than all of them. */
  readonly told?: number | undefined;
  readonly type: "changes" | "resync";
  /** Of a resync. */
  readonly reason?: ResyncReason;
  readonly picture?: "kept" | undefined;
}

/** Less than any number: with 0 an epoch begins. */
const NOTHING = -1;

export type Verdict = "old" | "apply" | ResyncReason;

interface Row {
  readonly name: string;
  fits(base: MirrorBase, message: MirrorMessage, order: EpochOrder): boolean;
  verdict(message: MirrorMessage): Verdict;
}

export const CONTINUITY_ROWS: readonly Row[] = [
  {
    name: "foreign",
    fits: (_base, _message, order) => order === "foreign",
    verdict: ({ reason = "takeover" }) => reason,
  },
  { name: "former", fits: (_base, _message, order) => order === "former", verdict: () => "old" },
  {
    name: "loose",
    fits: ({ stored }, _message, order) => order === "later" && !stored,
    verdict: ({ reason = "takeover" }) => reason,
  },
  {
    name: "known",
    fits: (base, { told }, order) => order === "same" && told !== undefined && told <= base.told,
    verdict: () => "old",
  },
  {
    name: "lost",
    fits: (_base, { type, picture }) => type === "resync" && picture === undefined,
    verdict: ({ reason = "takeover" }) => reason,
  },
  { name: "next", fits: () => true, verdict: () => "apply" },
];

/** What to do with a message; a reason: take a new snapshot, because of it. */
export function judge(base: MirrorBase, message: MirrorMessage): Verdict {
  const order = compareEpochs(message.epoch, base.epoch);
  return CONTINUITY_ROWS.find((row) => row.fits(base, message, order))?.verdict(message) ?? "takeover";
}

/** How far the picture has come once the message was applied. */
export function advance(base: MirrorBase, message: MirrorMessage): MirrorBase {
  // Of an epoch that goes on from an earlier one nothing has been told yet; what it tells is stored when it is heard.
  return compareEpochs(message.epoch, base.epoch) === "later"
    ? { epoch: message.epoch, told: NOTHING, stored: true }
    : base;
}

export type EpochOrder = "former" | "same" | "later" | "foreign";

/** Of an epoch `<bucket nonce>-<revision>`, against another. */
export function compareEpochs(epoch: string, other: string): EpochOrder {
  if (epoch === other) return "same";
  const cut = other.lastIndexOf("-") + 1;
  const [mine, its] = [Number(epoch.slice(cut)), Number(other.slice(cut))];
  if (cut === 0 || epoch.slice(0, cut) !== other.slice(0, cut)) return "foreign";
  if (!Number.isSafeInteger(mine) || !Number.isSafeInteger(its) || epoch.length === cut) return "foreign";
  return mine < its ? "former" : "later";
}
