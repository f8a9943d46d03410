import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { userInfo } from "node:os";
import { basename, dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Samba, startSamba } from "../../../scripts/lab/samba.ts";
import { createNtlmProvider } from "../../../src/auth/ntlm.ts";
import { Share } from "../../../src/share/share.ts";
import type { WatchHandle } from "../../../src/watch/api.ts";
import type { WatchEvent } from "../../../src/watch/events.ts";
import { type DoubtFact, doubts, type ScanFact, scans } from "../../../src/watch/facts.ts";
import type { CoverPolicy } from "../../../src/watch/interest.ts";
import { until } from "../../support/until.ts";

const root = userInfo().uid === 0;
/** Modes have to mean something: nothing is refused to root. */
const MODES = { "force user": root ? "nobody" : userInfo().username };

const SHARES = {
  plain: MODES,
  links: {},
  pairs: {},
  veto: { "veto files": "/._*/" },
  fresh: { "hide new files timeout": "3" },
  unreadable: { ...MODES, "hide unreadable": "yes" },
} as const;

const COVERS: readonly CoverPolicy[] = ["directory", "auto"];

/** As docs/watching.md has it: two seconds, and what a busy machine takes. */
const SOON = { timeoutMs: 10_000 };

let samba: Samba;
beforeAll(async () => {
  samba = await startSamba({ shares: SHARES });
  chmodSync(samba.dir, 0o755);
  for (const name of Object.keys(SHARES)) {
    chmodSync(dirname(samba.path(name)), 0o755);
    chmodSync(samba.path(name), 0o777);
  }
});
afterAll(() => samba.stop());

interface Watched extends AsyncDisposable {
  readonly dir: string;
  readonly share: Share;
  readonly handle: WatchHandle;
  /** Everything told so far, in order. */
  readonly told: string[];
}

/** A recursive watch of a share, live. */
async function watch(name: keyof typeof SHARES, cover: CoverPolicy = "directory"): Promise<Watched> {
  const auth = createNtlmProvider({ username: samba.user, password: samba.password, domain: samba.domain });
  const share = new Share({
    smb: { host: samba.host, port: samba.port, share: name, auth },
    watch: { cover },
  });
  const told: string[] = [];
  const handle = share.watches.watch({ path: "/", recursive: true }, (event) => told.push(...lines(event)));
  await handle.live;
  return { dir: samba.path(name), share, handle, told, [Symbol.asyncDispose]: () => share.close() };
}

function lines(event: WatchEvent): string[] {
  if (event.type === "resync") return [`resync ${event.path}`];
  if (event.type === "state") return [`${event.state}${event.error === undefined ? "" : `: ${event.error}`}`];
  const at = event.path === "/" ? "/" : `${event.path}/`;
  return event.changes.map(({ action, name }) => `${action} ${at}${name}`);
}

describe("what a server hides", () => {
  it("a link that leads back is told, and not entered", async () => {
    const dir = samba.path("links");
    mkdirSync(join(dir, "a", "b"), { recursive: true });
    symlinkSync(".", join(dir, "latest"));
    symlinkSync("..", join(dir, "a", "up"));
    symlinkSync("a", join(dir, "sibling"));
    await using watched = await watch("links");
    const { told, share } = watched;
    await until("the reason", () => watched.handle.state === "degraded");
    symlinkSync("../..", join(dir, "a", "b", "new"));
    await until("the new link", () => told.includes("added /a/b/new"));
    await until("the new link, by the other way", () => told.includes("added /sibling/b/new"));
    writeFileSync(join(dir, "a", "b", "x.txt"), "x");
    await until("a file by both ways", () =>
      ["added /a/b/x.txt", "added /sibling/b/x.txt"].every((line) => told.includes(line)),
    );
    // Everything once, but for what the link to a sibling shows a second time; and a handle each for the links until they are known.
    expect(share.handles).toBeLessThan(20);
    expect(
      [...new Set(told)].filter((line) => line.startsWith("added") && line.includes("x.txt")),
    ).toHaveLength(2);
    expect(told.filter((line) => line.startsWith("degraded")).length).toBeLessThanOrEqual(2);
  });

  it.each(COVERS)(
    "a directory that the account may enter only later is followed from then on: %s",
    async (cover) => {
      await using watched = await watch("plain", cover);
      const { dir: share, told, handle } = watched;
      const name = `job-${cover}`;
      // Prepared elsewhere, then put in its place: nobody but root may write into it.
      const prepared = mkdtempSync(join(samba.dir, "prepared"));
      writeFileSync(join(prepared, "1.txt"), "x");
      chmodSync(prepared, 0);
      renameSync(prepared, join(share, name));
      await until("the refusal", () => told.some((line) => line.startsWith(`degraded: /${name}:`)));
      expect(told).toContain(`added /${name}`);
      chmodSync(join(share, name), 0o777);
      await until("what is in it", () => told.includes(`added /${name}/1.txt`));
      await until("live again", () => handle.state === "live");
      // By a client: what the server makes itself is found later where the directory has no handle of its own.
      await samba.smbclient(`put ${samba.passwordFile} ${name}/2.txt`, "plain");
      await until("what comes then", () => told.includes(`added /${name}/2.txt`));
      rmSync(join(share, name), { recursive: true });
    },
  );

  it("names that differ by case only are two directories", async () => {
    const dir = samba.path("pairs");
    for (const name of ["A", "a"]) mkdirSync(join(dir, name), { recursive: true });
    await using watched = await watch("pairs");
    const { told } = watched;
    for (const name of ["A", "a"]) writeFileSync(join(dir, name, `of-${name}`), "x");
    await until("both", () => ["added /A/of-A", "added /a/of-a"].every((line) => told.includes(line)));
    // Another one later, beside one that is there.
    mkdirSync(join(dir, "a", "x"));
    await until("the first", () => told.includes("added /a/x"));
    mkdirSync(join(dir, "a", "X"));
    await until("the second", () => told.includes("added /a/X"));
    for (const name of ["x", "X"]) writeFileSync(join(dir, "a", name, "file"), "x");
    await until("both again", () =>
      ["added /a/x/file", "added /a/X/file"].every((line) => told.includes(line)),
    );
  });

  it.each(COVERS)(
    "what is told and never listed is told to be gone, and not told any more: %s",
    async (cover) => {
      await using watched = await watch("veto", cover);
      const { dir, told } = watched;
      symlinkSync("nobody@host:1", join(dir, ".#doc.txt"));
      writeFileSync(join(dir, "._pic.jpg"), "fork");
      writeFileSync(join(dir, "doc.txt"), "x");
      await until("the link to be gone", () => told.includes("removed /.#doc.txt"), SOON);
      await until("the vetoed file to be gone", () => told.includes("removed /._pic.jpg"), SOON);
      const before = told.length;
      for (let i = 0; i < 5; i++) writeFileSync(join(dir, "._pic.jpg"), `fork ${i}`);
      rmSync(join(dir, ".#doc.txt"));
      symlinkSync("nobody@host:2", join(dir, ".#doc.txt"));
      writeFileSync(join(dir, "end"), "x");
      await until("the end", () => told.includes("added /end"));
      expect(told.slice(before).join()).not.toMatch(/\._|\.#/);
      // The target comes: it is a file like any other from then on.
      writeFileSync(join(dir, "nobody@host:2"), "x");
      await until("the file behind the link", () => told.includes("added /.#doc.txt"), { timeoutMs: 40_000 });
      for (const name of readdirSync(dir)) rmSync(join(dir, name));
    },
  );

  it("what is hidden for being new is told when it is shown, and never told to be gone", async () => {
    const dir = samba.path("fresh");
    writeFileSync(join(dir, "early"), "x");
    await using watched = await watch("fresh");
    const { told } = watched;
    mkdirSync(join(dir, "job"));
    writeFileSync(join(dir, "job", "1.txt"), "x");
    // From 4.22 on directories are shown at once: it takes a file for the share to show its habit.
    writeFileSync(join(dir, "late"), "x");
    await until(
      "what was just made",
      () => told.includes("added /job/1.txt") && told.includes("added /late"),
    );
    await until("what was there before", () => told.includes("added /early"));
    expect(told.join()).not.toContain("removed");
  });

  it.each(COVERS)(
    "what becomes unreadable is told to be gone, and what becomes readable is told: %s",
    async (cover) => {
      const dir = samba.path("unreadable");
      // A second try finds what the first has left.
      rmSync(join(dir, "d"), { recursive: true, force: true });
      writeFileSync(join(dir, "old"), "x", { mode: 0o644 });
      await using watched = await watch("unreadable", cover);
      const { told } = watched;
      chmodSync(join(dir, "old"), 0);
      await until("the loss", () => told.includes("removed /old"), SOON);
      chmodSync(join(dir, "old"), 0o644);
      await until("the return", () => told.includes("added /old"), SOON);
      mkdirSync(join(dir, "d"));
      chmodSync(join(dir, "d"), 0o777);
      await until("the directory", () => told.includes("added /d"));
      await samba.smbclient(`put ${samba.passwordFile} d/x`, "unreadable");
      await until("what is in it", () => told.includes("added /d/x"));
      chmodSync(join(dir, "d"), 0);
      await until("the loss of the directory", () => told.includes("removed /d"), SOON);
      told.length = 0;
      chmodSync(join(dir, "d"), 0o755);
      await until(
        "its return with what is in it",
        () => told.includes("added /d") && told.includes("added /d/x"),
        SOON,
      );
      // It may be passed through, so it opens by name; its contents are refused, so listings leave it out.
      told.length = 0;
      chmodSync(join(dir, "d"), 0o711);
      await until("the loss of what opens and cannot be read", () => told.includes("removed /d"), SOON);
      rmSync(join(dir, "d"), { recursive: true });
    },
  );

  it("a name that listings spell otherwise is told as they do, and costs a listing once", async () => {
    // A name of its own: a second try finds what the first has left.
    const dir = mkdtempSync(join(samba.path("plain"), "logs"));
    chmodSync(dir, 0o755);
    const path = `/${basename(dir)}`;
    const stand = new RegExp(`^(\\w+) ${path}/A.+~.\\.LOG$`);
    writeFileSync(join(dir, "app:2026.log"), "x");
    for (let i = 0; i < 300; i++) writeFileSync(join(dir, `${i}`), "x");
    let listings = 0;
    const count = ({ path: at, phase }: ScanFact): void => {
      if (at === path && phase === "finished") listings++;
    };
    await using watched = await watch("plain");
    const { told } = watched;
    await until("certainty", () => watched.handle.sure);
    const unsubscribe = scans.subscribe(count);
    try {
      for (let i = 0; i < 20; i++) {
        const from = told.length;
        appendFileSync(join(dir, "app:2026.log"), "x");
        await until("the change", () =>
          told.slice(from).some((line) => stand.exec(line)?.[1] === "modified"),
        );
      }
      // Those of the first moments, until it is known what the stand-in stands for.
      const known = listings;
      expect(known).toBeLessThanOrEqual(3);
      rmSync(join(dir, "app:2026.log"));
      await until("the removal", () => told.some((line) => stand.exec(line)?.[1] === "removed"));
      expect(listings).toBe(known);
      expect(told.join()).not.toMatch(/app:2026|resync/);
    } finally {
      unsubscribe();
    }
  });

  it("what happens to the watched directory itself is no change in it", async () => {
    const dir = mkdtempSync(join(samba.path("plain"), "itself"));
    chmodSync(dir, 0o755);
    const path = `/${basename(dir)}`;
    await using watched = await watch("plain");
    const { told } = watched;
    await until("certainty", () => watched.handle.sure);
    const reasons: string[] = [];
    const count = ({ path: at, reason }: DoubtFact): void => {
      if (at === path) reasons.push(reason);
    };
    const unsubscribe = doubts.subscribe(count);
    try {
      const before = told.length;
      chmodSync(dir, 0o775);
      utimesSync(dir, 1_700_000_000, 1_700_000_000);
      await until("what the directory above says of it", () => told.includes(`modified ${path}`));
      writeFileSync(join(dir, "end"), "x");
      await until("the end", () => told.includes(`added ${path}/end`));
      const lines = [`added ${path}/end`, `modified ${path}`, `modified ${path}/end`];
      expect(told.slice(before).filter((line) => !lines.includes(line))).toEqual([]);
      expect(reasons).toEqual([]);
    } finally {
      unsubscribe();
    }
  });
});
