import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Doubt, DoubtReason } from "../../../src/watch/doubt.ts";
import {
  AUDIENCE_ROWS,
  type Audience,
  concerns,
  type DirectoryFacts,
  type Gap,
  gapAfterListing,
  gapOfUnseenLoss,
  LISTING_ROWS,
  type ListingFacts,
  mayMoveAlong,
  PICTURE_GRACE_MS,
  resyncOfTooLarge,
  resyncOnceRemembered,
  staysOpen,
} from "../../../src/watch/gap-rules.ts";

const LISTING = { modified: 7n, begunAt: 500 };
const OVERFLOW: Doubt = { reason: "overflow", since: 100 };
const PROBING: Doubt = { reason: "probing", since: 100 };
const LOOK: Doubt = { reason: "settling", since: 100 };

const directory = (facts: Partial<DirectoryFacts>): DirectoryFacts => ({
  inherited: false,
  dirModified: 6n,
  rescannedAt: 50,
  ...facts,
});

interface Example {
  readonly row: string;
  readonly of: DirectoryFacts;
  readonly doubt?: Doubt;
  readonly listing?: ListingFacts;
  readonly gap: Gap | undefined;
}

/** Table A by example; each row is decided by at least one of them. */
const EXAMPLES: readonly Example[] = [
  { row: "kept", of: directory({ inherited: true, dirModified: 7n }), doubt: OVERFLOW, gap: undefined },
  {
    row: "heir",
    of: directory({ inherited: true }),
    doubt: OVERFLOW,
    gap: { since: 500, reason: "takeover" },
  },
  {
    row: "heir",
    of: directory({ inherited: true, dirModified: undefined }),
    gap: { since: 500, reason: "takeover" },
  },
  { row: "new", of: directory({ dirModified: undefined }), gap: { since: 50, reason: "settling" } },
  { row: "new", of: directory({ dirModified: undefined, rescannedAt: 200 }), doubt: OVERFLOW, gap: OVERFLOW },
  { row: "unwatched", of: directory({}), gap: { since: 50, reason: "timer" } },
  { row: "unwatched", of: directory({ heardAt: 60 }), gap: { since: 50, reason: "timer" } },
  {
    row: "explained",
    of: directory({ heardAt: 60 }),
    listing: { ...LISTING, namesAgree: true },
    gap: undefined,
  },
  { row: "untouched", of: directory({ dirModified: 7n }), doubt: OVERFLOW, gap: undefined },
  // What explained the last listing was still on its way in part, and is lost now.
  {
    row: "owed",
    of: directory({ dirModified: 7n, explainedAt: 100 }),
    doubt: OVERFLOW,
    gap: OVERFLOW,
  },
  {
    row: "untouched",
    of: directory({ dirModified: 7n, explainedAt: 99 }),
    doubt: OVERFLOW,
    gap: undefined,
  },
  {
    row: "untouched",
    of: directory({ dirModified: 7n, explainedAt: 100 }),
    doubt: { reason: "moved", since: 100 },
    gap: undefined,
  },
  { row: "unwatched", of: directory({}), doubt: LOOK, gap: { since: 50, reason: "settling" } },
  {
    row: "explained",
    of: directory({ heardAt: 60 }),
    doubt: { reason: "recalled", since: 100 },
    listing: { ...LISTING, namesAgree: true },
    gap: undefined,
  },
  {
    row: "unwatched",
    of: directory({ heardAt: 60 }),
    doubt: { reason: "recalled", since: 100 },
    gap: { since: 50, reason: "recalled" },
  },
  {
    row: "unwatched",
    of: directory({ heardAt: 40 }),
    doubt: { reason: "timer", since: 100 },
    listing: { ...LISTING, namesAgree: true },
    gap: { since: 50, reason: "timer" },
  },
  {
    row: "unwatched",
    of: directory({}),
    doubt: { reason: "timer", since: 100 },
    gap: { since: 50, reason: "timer" },
  },
  {
    row: "unwatched",
    of: directory({ heardAt: 60 }),
    doubt: { reason: "handover", since: 100 },
    listing: { ...LISTING, namesAgree: true },
    gap: { since: 50, reason: "handover" },
  },
  { row: "unwatched", of: directory({ rescannedAt: undefined }), doubt: LOOK, gap: undefined },
  {
    row: "probed",
    of: directory({}),
    doubt: PROBING,
    listing: { ...LISTING, namesAgree: true },
    gap: undefined,
  },
  { row: "doubtful", of: directory({}), doubt: PROBING, gap: PROBING },
  { row: "doubtful", of: directory({}), doubt: OVERFLOW, gap: OVERFLOW },
];

const audience = (facts: Partial<Audience>): Audience => ({
  inherits: false,
  open: false,
  pictureAt: 1_000,
  polls: false,
  ...facts,
});
const NEVER = Number.NEGATIVE_INFINITY;
const LATE = 1_000 + PICTURE_GRACE_MS + 1;

const HEARERS: readonly { row: string; of: Audience; gap: Gap; asked?: number; told: boolean }[] = [
  { row: "heirs", of: audience({ inherits: true }), gap: { since: LATE, reason: "takeover" }, told: true },
  {
    row: "heirs",
    of: audience({ inherits: true, pictureAt: undefined }),
    gap: { since: LATE, reason: "takeover" },
    told: true,
  },
  { row: "open", of: audience({ open: true }), gap: { since: LATE, reason: "overflow" }, told: true },
  {
    row: "open",
    of: audience({ open: true, pictureAt: undefined }),
    gap: { since: 0, reason: "overflow" },
    told: false,
  },
  {
    row: "open",
    of: audience({ open: true, inherits: true, pictureAt: undefined }),
    gap: { since: 0, reason: "silent" },
    told: true,
  },
  {
    row: "open",
    of: audience({ open: true, polls: true }),
    gap: { since: LATE, reason: "timer" },
    told: true,
  },
  { row: "known", of: audience({ open: true }), gap: { since: LATE, reason: "timer" }, told: false },
  { row: "known", of: audience({}), gap: { since: LATE, reason: "overflow" }, told: false },
  {
    row: "known",
    of: audience({ open: true, inherits: true, pictureAt: undefined }),
    gap: { since: LATE, reason: "timer" },
    told: true,
  },
  { row: "known", of: audience({ pictureAt: undefined }), gap: { since: 0, reason: "timer" }, told: false },
  { row: "known", of: audience({}), gap: { since: LATE - 1, reason: "overflow" }, told: true },
  { row: "known", of: audience({}), gap: { since: LATE, reason: "overflow" }, asked: 2_000, told: true },
  {
    row: "known",
    of: audience({ pictureAt: undefined }),
    gap: { since: 0, reason: "takeover" },
    told: false,
  },
];

const wrongA = (rows = LISTING_ROWS): string[] =>
  EXAMPLES.filter(({ of, doubt, listing = LISTING, gap }) => {
    const { gap: found } = gapAfterListing(of, listing, doubt, rows);
    return found?.since !== gap?.since || found?.reason !== gap?.reason;
  }).map(({ row }) => row);
const wrongB = (rows = AUDIENCE_ROWS): string[] =>
  HEARERS.filter(({ of, gap, asked = NEVER, told }) => concerns(of, gap, asked, rows) !== told).map(
    ({ row }) => row,
  );

describe("gap rules", () => {
  it("say of each listed directory since when names may have come and gone unseen", () => {
    expect(wrongA()).toEqual([]);
    expect(new Set(EXAMPLES.map(({ row }) => row))).toEqual(new Set(LISTING_ROWS.map(({ name }) => name)));
  });

  it("say whom a gap concerns", () => {
    expect(wrongB()).toEqual([]);
    expect(new Set(HEARERS.map(({ row }) => row))).toEqual(new Set(AUDIENCE_ROWS.map(({ name }) => name)));
  });

  it.each(LISTING_ROWS.map(({ name }) => name))("row %s, turned, is noticed", (name) => {
    const turned = LISTING_ROWS.map((row) =>
      row.name !== name
        ? row
        : {
            ...row,
            gap: (...facts: Parameters<typeof row.gap>) =>
              row.gap(...facts) === undefined ? LOOK : undefined,
          },
    );
    expect(wrongA(turned)).toContain(name);
    // Left out, the rows below decide otherwise; the last cannot be left out.
    if (name !== LISTING_ROWS.at(-1)?.name)
      expect(wrongA(LISTING_ROWS.filter((row) => row.name !== name))).not.toEqual([]);
  });

  it.each(AUDIENCE_ROWS.map(({ name }) => name))("row %s of the audience, turned, is noticed", (name) => {
    const turned = AUDIENCE_ROWS.map((row) =>
      row.name !== name
        ? row
        : { ...row, told: (...facts: Parameters<typeof row.told>) => !row.told(...facts) },
    );
    expect(wrongB(turned)).toContain(name);
    expect(wrongB(AUDIENCE_ROWS.filter((row) => row.name !== name))).not.toEqual([]);
  });

  const anyDirectory = fc.record({
    inherited: fc.boolean(),
    dirModified: fc.option(fc.constantFrom(6n, 7n), { nil: undefined }),
    rescannedAt: fc.option(fc.integer({ min: 0, max: 400 }), { nil: undefined }),
  });
  const reasons: DoubtReason[] = ["overflow", "reconnect", "server-cleanup", "silent", "timer", "settling"];
  const anyDoubt = fc.option(
    fc.record({ reason: fc.constantFrom(...reasons), since: fc.integer({ min: 0, max: 400 }) }),
    { nil: undefined },
  );

  it("never leave a real doubt about a directory that was written to unannounced to somebody who may have seen it", () => {
    fc.assert(
      fc.property(anyDirectory, anyDoubt, fc.integer({ min: 0, max: 400 }), (of, doubt, pictureAt) => {
        const { gap } = gapAfterListing(of, LISTING, doubt);
        const look = doubt?.reason === "timer" || doubt?.reason === "settling";
        const written = of.dirModified !== LISTING.modified;
        if (doubt !== undefined && !look && written) {
          expect(gap?.since).toBeLessThanOrEqual(of.inherited ? LISTING.begunAt : doubt.since);
          expect(concerns(audience({ open: true, pictureAt }), gap ?? OVERFLOW, NEVER)).toBe(true);
        }
        // What nobody wrote to has no gap, unless it is new.
        if (!written && of.dirModified !== undefined) expect(gap).toBeUndefined();
      }),
    );
  });

  it("keep the gap of a new directory open for the second look, and no other", () => {
    fc.assert(
      fc.property(anyDirectory, anyDoubt, fc.boolean(), (of, doubt, provisional) => {
        const open = provisional && doubt === undefined && of.dirModified === undefined && !of.inherited;
        expect(staysOpen(of, provisional, doubt)).toBe(open);
      }),
    );
  });

  it("know who may move along what is no longer there", () => {
    const now = 100_000;
    const recent = now - PICTURE_GRACE_MS;
    expect(mayMoveAlong([], NEVER, now)).toBe(false);
    expect(mayMoveAlong([], recent, now)).toBe(true);
    expect(mayMoveAlong([audience({ pictureAt: recent - 1 })], recent - 1, now)).toBe(false);
    expect(mayMoveAlong([audience({ pictureAt: recent })], NEVER, now)).toBe(true);
    expect(mayMoveAlong([audience({ open: true, pictureAt: 0 })], NEVER, now)).toBe(true);
    expect(mayMoveAlong([audience({ open: true, pictureAt: undefined })], NEVER, now)).toBe(false);
    expect(mayMoveAlong([audience({ open: true, pictureAt: undefined, inherits: true })], NEVER, now)).toBe(
      true,
    );
  });

  it("announce a whole scope where nothing is remembered", () => {
    expect(resyncOfTooLarge(true, false)).toBeUndefined();
    expect(resyncOfTooLarge(true, true)).toEqual({ scope: "subtree", reason: "too-large" });
    expect(resyncOfTooLarge(false, true)).toEqual({ scope: "self", reason: "too-large" });
    expect(resyncOnceRemembered(true, undefined)).toEqual({ scope: "subtree", reason: "too-large" });
    expect(resyncOnceRemembered(false, LOOK)).toEqual({ scope: "self", reason: "silent" });
    expect(gapOfUnseenLoss(directory({ rescannedAt: undefined }))).toEqual({
      since: NEVER,
      reason: "silent",
    });
    expect(gapOfUnseenLoss(directory({}))).toEqual({ since: 50, reason: "silent" });
  });
});
