import { describe, expect, it } from "vitest";
import { systemClock } from "../../../src/base/clock.ts";
import { joinPath } from "../../../src/base/path.ts";
import { type MirrorEntry, shownEntry } from "../../../src/watch/mirror/index.ts";
import { Breather } from "../../../src/watch/pacing.ts";
import { type EntryFacts, EntryFlag, Snapshot, UNKNOWN } from "../../../src/watch/picture/index.ts";
import type { EntryInfo } from "../../../src/watch/source.ts";
import { type Page, snapshotPages } from "../../../src/worker/snapshot-pages.ts";
import { seeded } from "../../support/random.ts";

const PARTS = [
  "a",
  ".txt",
  "ä",
  "ÿ",
  "\u{1f600}",
  '"',
  "\\",
  "\u007f",
  "\u009b",
  "\u200d",
  "\t",
  "~{}[]",
  "\ud800",
  "日本",
];

interface Told {
  readonly path: string;
  readonly entries: readonly MirrorEntry[];
  readonly tooLarge?: true;
}

function scene(seed: number, directories: number, names: number) {
  const random = seeded(seed);
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
  const told: Told[] = [];
  const frozen: { path: string; snapshot: Snapshot | undefined }[] = [];
  const looks = new Map<string, Map<string, EntryInfo>>();
  const withheld = new Set<string>();
  for (let d = 0; d < directories; d++) {
    const path = d === 0 ? "/top" : `/top/${pick(PARTS).replace(/[\\\t]/g, "")}${d}`;
    if (d > 0 && random() < 0.2) {
      told.push({ path, entries: [], tooLarge: true });
      frozen.push({ path, snapshot: undefined });
      continue;
    }
    const snapshot = new Snapshot();
    const entries = new Map<string, MirrorEntry>();
    const seen = new Map<string, EntryInfo>();
    for (let i = Math.floor(random() * names); i > 0; i--) {
      const name = Array.from({ length: 1 + Math.floor(random() * 12) }, () => pick(PARTS)).join("");
      const flags = pick([EntryFlag.known, EntryFlag.known | EntryFlag.directory, 0]);
      const far = pick([1e18, 4e14, 2e9, 1]);
      const facts: EntryFacts | undefined =
        random() < 0.8
          ? { size: Math.floor(random() ** 4 * 2 ** 63), modifiedMs: Math.floor((random() - 0.3) * far) }
          : undefined;
      snapshot.set(name, { ...UNKNOWN, flags, facts });
      if (facts === undefined) snapshot.outdate(name);
      const known = snapshot.get(name)?.facts;
      if (known === undefined && random() < 0.5) {
        seen.set(name, { type: "file", size: 7, modified: 133_000_000_000_000_000n } as EntryInfo);
      } else seen.delete(name);
      entries.set(name, shownEntry(name, flags, known, seen.get(name)));
      const fate = random();
      if (fate < 0.1) {
        snapshot.delete(name);
        entries.delete(name);
      } else if (fate < 0.2) {
        withheld.add(joinPath(path, name));
        entries.delete(name);
      } else withheld.delete(joinPath(path, name));
      if (entries.has(name) && withheld.has(joinPath(path, name))) entries.delete(name);
    }
    for (const name of entries.keys()) if (!snapshot.has(name)) entries.delete(name);
    looks.set(path, seen);
    told.push({ path, entries: [...entries.values()] });
    frozen.push({ path, snapshot: snapshot.freeze() });
  }
  return { told, frozen, looks, withheld };
}

async function pagesOf(
  { frozen, looks, withheld }: ReturnType<typeof scene>,
  maxPayload: number,
): Promise<Uint8Array[]> {
  const pages = snapshotPages({
    target: { connection: "nas1", path: "/top", recursive: true },
    picture: { epoch: "n-1", told: 9, directories: frozen, withheld, stored: async () => true },
    looks,
    servedBy: { path: "/", recursive: true },
    maxPayload,
    breather: new Breather(systemClock, 10_000),
    signal: new AbortController().signal,
  });
  const all: Page[] = [];
  for await (const page of pages) all.push(page);
  return all.map((page, i) => page.encode(i === all.length - 1 ? false : undefined));
}

describe("the messages of a snapshot", () => {
  it.each([4_096, 20_000, 1_048_576])(
    "have all of it, each below a limit of %i bytes",
    async (maxPayload) => {
      for (let seed = 1; seed <= 12; seed++) {
        const all = scene(seed, 8, seed % 3 === 0 ? 900 : 40);
        const messages = await pagesOf(all, maxPayload);
        const directories = new Map<string, { path: string; entries: MirrorEntry[]; tooLarge?: true }>();
        for (const [number, data] of messages.entries()) {
          expect(data.length).toBeLessThanOrEqual(maxPayload);
          const text = Buffer.from(data).toString();
          // What acts in a terminal is escaped.
          expect(text).not.toMatch(/[\u007f-\u009f\u200d]/);
          const {
            page,
            last,
            stored,
            directories: parts,
            ...head
          } = JSON.parse(text) as Record<string, unknown>;
          expect(head).toEqual({
            connection: "nas1",
            path: "/top",
            recursive: true,
            epoch: "n-1",
            told: 9,
            servedBy: { path: "/", recursive: true },
          });
          const end = number === messages.length - 1 ? [true, false] : [undefined, undefined];
          expect([page, last, stored]).toEqual([number, ...end]);
          for (const part of parts as Told[]) {
            const known = directories.get(part.path);
            if (known === undefined) directories.set(part.path, { ...part, entries: [...part.entries] });
            else known.entries.push(...part.entries);
          }
        }
        const sorted = (told: readonly Told[]) =>
          told.map((each) => ({
            ...each,
            entries: [...each.entries].sort((a, b) => (a.name < b.name ? -1 : 1)),
          }));
        expect(sorted([...directories.values()])).toEqual(
          sorted(JSON.parse(JSON.stringify(all.told)) as Told[]),
        );
        if (maxPayload === 4_096 && seed % 3 === 0) expect(messages.length).toBeGreaterThan(10);
      }
    },
  );

  it("are as many as there are names that fit into none, so that sending fails and the asker hears of it", async () => {
    const snapshot = new Snapshot();
    snapshot.set("x".repeat(255), { ...UNKNOWN, flags: EntryFlag.known, facts: { size: 1, modifiedMs: 1 } });
    const frozen = [{ path: "/top", snapshot: snapshot.freeze() }];
    const messages = await pagesOf({ told: [], frozen, looks: new Map(), withheld: new Set() }, 256);
    expect(messages.length).toBe(1);
    expect(messages[0]?.length).toBeGreaterThan(256);
    expect(JSON.parse(Buffer.from(messages[0] as Uint8Array).toString())).toMatchObject({
      directories: [{ path: "/top", entries: [{ name: "x".repeat(255) }] }],
    });
  });
});
