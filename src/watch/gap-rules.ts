import { type Doubt, type DoubtReason, isLoss, isRoutine, resyncReason } from "./doubt.ts";
import type { ResyncReason, ResyncScope } from "./events.ts";

/*
 * When a `resync` is due, of what scope, for whom, and why. Comparing two listings tells every difference; what it
 * cannot tell are names that came and went between them, which a consumer who listed by himself may have seen.
 * Pure functions: whoever keeps the facts asks here. The first row that fits decides.
 *
 * A. A directory has been listed and compared (`gapAfterListing`). Since when may names have come and gone unseen?
 *
 *   row          directory                         doubt             since              reason
 *   ---------------------------------------------------------------------------------------------------------------
 *   kept         inherited, not written to         any               no gap
 *   heir         inherited, written to             any               the listing        takeover
 *   new          new, or moved here                any, none         told, or doubt     the doubt's, or settling
 *   owed         not written to since, but         of a loss,        the doubt          the doubt's
 *                `explained` after the doubt       not by its time
 *   untouched    not written to since              any               no gap
 *   explained    written to, told of, names agree  timer, recalled,  no gap: else a busy directory would have no end of it
 *                                                  none
 *   unwatched    written to                        the same, settling the last listing  the doubt's, or timer
 *   probed       written to, names agree           probing           no gap
 *   doubtful     written to                        any other         the doubt          the doubt's
 *
 * `none` where it was told before: listed afresh because its place is in question, or for another interest. That its handle
 * heard all that happened meanwhile is no more certain than with a timer: recursive ones on Samba do not.
 *
 * What is told explains, may be told only in part: what is still on its way explains the rest, unless a doubt says that it
 * has been lost (`owed`).
 *
 * A busy directory's last look by its owner (`handover`) is `unwatched`, not `explained`: what told changes hide then, the
 * successor, who has listed meanwhile, would never find.
 *
 * B. Which audience does a gap concern (`concerns`)?
 *
 *   row          audience                          gap               told
 *   ---------------------------------------------------------------------------------------------------------------
 *   heirs        goes on for an earlier owner      takeover          always: nobody knows when they listed
 *   open         lists when it pleases             not routine       once it may have listed: live, or inherited
 *   known        lists when live and when told     any               if it may still have been listing after `since`;
 *                                                                    heirs that are not live yet, always
 *
 * C. A directory moved (`mayMoveAlong`): may somebody hold a listing, or be about to take one, by a name that it no
 *    longer has? He moves along what is not there; its new place is announced as a whole.
 *
 * D. Nothing is remembered to compare with (`resyncOfTooLarge`, `resyncOnceRemembered`): the scope itself is announced.
 */

/** A consumer may take this long to list after it was told to. */
export const PICTURE_GRACE_MS = 30_000;

/** What is remembered of a directory. Times are monotonic ms, last writes FILETIME. */
export interface DirectoryFacts {
  /** Taken over from an earlier owner, or found below such, and not compared with a listing since. */
  readonly inherited: boolean;
  /** Last write of the directory itself when it was last listed. `undefined`: new, or moved since. */
  readonly dirModified: bigint | undefined;
  /** The last listing's begin; of a directory not listed since it came, when that was told. */
  readonly rescannedAt: number | undefined;
  /** When the server last spoke of names in it. */
  readonly heardAt?: number | undefined;
  /** The begin of the last listing of which `explained` told no gap. */
  readonly explainedAt?: number | undefined;
}

/** The listing that was compared. */
export interface ListingFacts {
  readonly modified: bigint | undefined;
  readonly begunAt: number;
  /** It has the names that have been told, and no others. Default false. */
  readonly namesAgree?: boolean;
}

/** Names may have come and gone unseen after `since`. */
export interface Gap {
  readonly since: number;
  readonly reason: DoubtReason;
}

interface ListingRow {
  readonly name: string;
  fits(directory: DirectoryFacts, listing: ListingFacts, doubt: Doubt | undefined): boolean;
  gap(directory: DirectoryFacts, listing: ListingFacts, doubt: Doubt | undefined): Gap | undefined;
}

const none = (): undefined => undefined;
/** Nothing is in doubt: somebody looks to be on the safe side. */
export const isLook = (doubt: Doubt | undefined): boolean =>
  doubt !== undefined && (isRoutine(doubt.reason) || doubt.reason === "settling");
const told = ({ heardAt, rescannedAt }: DirectoryFacts): boolean =>
  heardAt !== undefined && heardAt >= (rescannedAt ?? Number.NEGATIVE_INFINITY);
const untouched = (directory: DirectoryFacts, listing: ListingFacts): boolean =>
  directory.dirModified === listing.modified;

/** What a listing without a doubt counts as where the directory was told before. */
const AFRESH: Doubt = { reason: "timer", since: Number.POSITIVE_INFINITY };

/** Table A. No time stamp proves that nothing happened in a new directory: see `docs/watching.md`. */
export const LISTING_ROWS: readonly ListingRow[] = [
  {
    name: "kept",
    fits: (directory, listing) => directory.inherited && untouched(directory, listing),
    gap: none,
  },
  {
    name: "heir",
    fits: ({ inherited }) => inherited,
    gap: (_directory, { begunAt }) => ({ since: begunAt, reason: "takeover" }),
  },
  {
    name: "new",
    fits: ({ dirModified }) => dirModified === undefined,
    gap: ({ rescannedAt = Infinity }, _listing, doubt) => ({
      since: Math.min(rescannedAt, doubt?.since ?? Infinity),
      reason: doubt?.reason ?? "settling",
    }),
  },
  {
    name: "owed",
    fits: (directory, listing, doubt) =>
      doubt !== undefined &&
      isLoss(doubt.reason) &&
      (directory.explainedAt ?? Number.NEGATIVE_INFINITY) >= doubt.since &&
      untouched(directory, listing),
    gap: (_directory, _listing, doubt) => doubt,
  },
  { name: "untouched", fits: untouched, gap: none },
  {
    name: "explained",
    fits: (directory, { namesAgree = false }, { reason } = AFRESH) =>
      isRoutine(reason) && reason !== "handover" && namesAgree && told(directory),
    gap: none,
  },
  {
    name: "unwatched",
    fits: (_directory, _listing, doubt = AFRESH) => isLook(doubt),
    gap: ({ rescannedAt }, _listing, { reason } = AFRESH) =>
      rescannedAt === undefined ? undefined : { since: rescannedAt, reason },
  },
  {
    name: "probed",
    fits: (_directory, { namesAgree = false }, doubt) => doubt?.reason === "probing" && namesAgree,
    gap: none,
  },
  { name: "doubtful", fits: () => true, gap: (_directory, _listing, doubt) => doubt },
];

/** Table A. Returns also whether no gap is told because of what was told (`explained`). */
export function gapAfterListing(
  directory: DirectoryFacts,
  listing: ListingFacts,
  doubt: Doubt | undefined,
  rows: readonly ListingRow[] = LISTING_ROWS,
): { readonly gap: Gap | undefined; readonly explained: boolean } {
  const row = rows.find(({ fits }) => fits(directory, listing, doubt));
  return { gap: row?.gap(directory, listing, doubt), explained: row?.name === "explained" };
}

/**
 * Whether the gap of a new directory goes on: the server may have been deaf as yet (`provisional`), and the second
 * look that follows is the one to close it.
 */
export function staysOpen(
  directory: DirectoryFacts,
  provisional: boolean,
  doubt: Doubt | undefined,
): boolean {
  return provisional && doubt === undefined && !directory.inherited && directory.dirModified === undefined;
}

/** Whoever listens behind one interest. */
export interface Audience {
  /** Goes on where an earlier owner stopped. */
  readonly inherits: boolean;
  /** Consumers come and go, and list when they please. */
  readonly open: boolean;
  /** Monotonic ms since when it may have listed: when first live, and at each resync. */
  readonly pictureAt: number | undefined;
  readonly polls: boolean;
}

interface AudienceRow {
  readonly name: string;
  fits(audience: Audience, gap: Gap): boolean;
  told(audience: Audience, gap: Gap, asked: number): boolean;
}

/** Table B. What a server does not tell anyway (`isRoutine`) is announced to an open audience as to a known one. */
export const AUDIENCE_ROWS: readonly AudienceRow[] = [
  { name: "heirs", fits: ({ inherits }, { reason }) => reason === "takeover" && inherits, told: () => true },
  {
    name: "open",
    fits: ({ open, polls }, { reason }) => open && (!isRoutine(reason) || polls),
    told: ({ inherits, pictureAt }) => pictureAt !== undefined || inherits,
  },
  {
    name: "known",
    fits: () => true,
    told: ({ inherits, pictureAt }, { since }, asked) =>
      pictureAt === undefined ? inherits : Math.max(pictureAt, asked) + PICTURE_GRACE_MS >= since,
  },
];

/** Table B. @param asked - monotonic ms when consumers were last asked to list the directory; -Infinity: never */
export function concerns(
  audience: Audience,
  gap: Gap,
  asked: number,
  rows: readonly AudienceRow[] = AUDIENCE_ROWS,
): boolean {
  return rows.find((row) => row.fits(audience, gap))?.told(audience, gap, asked) ?? true;
}

/** C. @param asked - as for `concerns`, of the directory and of all below it */
export function mayMoveAlong(audience: Iterable<Audience>, asked: number, now: number): boolean {
  const since = now - PICTURE_GRACE_MS;
  if (asked >= since) return true;
  for (const { open, inherits, pictureAt } of audience) {
    if (open ? inherits || pictureAt !== undefined : pictureAt !== undefined && pictureAt >= since)
      return true;
  }
  return false;
}

/** A directory's loss that nobody saw: those who asked for it, or for one below, may know names we never heard of. */
export function gapOfUnseenLoss({ rescannedAt }: DirectoryFacts): Gap {
  return { since: rescannedAt ?? Number.NEGATIVE_INFINITY, reason: "silent" };
}

/** What to announce of a whole scope. */
export interface Announcement {
  readonly scope: ResyncScope;
  readonly reason: ResyncReason;
  /** See `ResyncEvent`. */
  readonly picture?: "kept";
}

/** D. More names than may be remembered; nobody need hear of it who has been told nothing yet. */
export function resyncOfTooLarge(recursive: boolean, wasTold: boolean): Announcement | undefined {
  return wasTold ? { scope: recursive ? "subtree" : "self", reason: "too-large" } : undefined;
}

/** D. What was too large until now has been listed: changes since have been told, or not. */
export function resyncOnceRemembered(recursive: boolean, doubt: Doubt | undefined): Announcement {
  const reason = doubt === undefined ? "too-large" : resyncReason(doubt.reason);
  return { scope: recursive ? "subtree" : "self", reason };
}
