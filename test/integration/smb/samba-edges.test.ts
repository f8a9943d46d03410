import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type Samba, startSamba } from "../../../scripts/lab/samba.ts";
import { createNtlmProvider } from "../../../src/auth/ntlm.ts";
import { waitFor } from "../../../src/base/async.ts";
import { canonicalPath } from "../../../src/base/path.ts";
import { NtStatus } from "../../../src/codec/status.ts";
import { SmbPool } from "../../../src/smb/pool/pool.ts";
import type { PoolOptions } from "../../../src/smb/pool/pool-options.ts";
import { until } from "../../support/until.ts";

const ARM = { recursive: false, filter: 0x1f };
const SOON = { deadlineMs: 15_000 };

describe("Samba at its edges", () => {
  let samba: Samba;
  const pools: SmbPool[] = [];

  beforeAll(async () => {
    samba = await startSamba({
      global: { "map to guest": "Bad User" },
    });
  });

  afterEach(async () => {
    await Promise.all(pools.splice(0).map((pool) => pool.close()));
  });

  afterAll(() => samba.stop());

  function pool(options: Partial<PoolOptions> = {}): SmbPool {
    const made = new SmbPool({
      host: samba.host,
      port: samba.port,
      share: "share",
      auth: createNtlmProvider({ username: samba.user, password: samba.password }),
      backoff: { initialMs: 50, maxMs: 500 },
      ...options,
    });
    pools.push(made);
    return made;
  }

  async function names(from: SmbPool, path: string): Promise<string[]> {
    const all: string[] = [];
    for await (const page of from.list(path)) all.push(...page.map((entry) => entry.name));
    return all.sort();
  }

  it("lists directories of no, one and five thousand entries", async () => {
    const smb = pool();
    for (const count of [0, 1, 5_000]) {
      const dir = join(samba.path(), `list-${count}`);
      mkdirSync(dir);
      const expected = Array.from({ length: count }, (_, index) => `entry number ${index}`).sort();
      for (const name of expected) writeFileSync(join(dir, name), "");
      expect(await names(smb, `/list-${count}`)).toEqual(expected);
      rmSync(dir, { recursive: true });
    }
  });

  it("looks at links as listings show them, whatever release it is", async () => {
    const dir = join(samba.path(), "links");
    mkdirSync(join(dir, "real"), { recursive: true });
    for (const [name, target] of Object.entries({
      inside: "real",
      back: ".",
      dangling: "nowhere",
      out: "/etc",
    }))
      symlinkSync(target, join(dir, name));
    const smb = pool();
    const listed = new Map<string, unknown>();
    for await (const page of smb.list("/links"))
      for (const { name, fileId, type, attributes } of page) listed.set(name, { fileId, type, attributes });
    expect([...listed.keys()].sort()).toEqual(["back", "inside", "real"]);
    expect(listed.get("inside")).toEqual(listed.get("real"));
    for (const [name, entry] of listed)
      expect(await smb.stat(canonicalPath(`/links/${name}`))).toMatchObject(entry as object);
    for (const name of ["dangling", "out"])
      await expect(smb.stat(canonicalPath(`/links/${name}`))).rejects.toMatchObject({
        status: NtStatus.OBJECT_NAME_NOT_FOUND,
      });
  });

  it("finds each of several names of a directory, whatever release it is", async () => {
    const dir = join(samba.path(), "several");
    mkdirSync(dir);
    const there = ["a", "Über", "c.txt", "~lock.d#"];
    for (const name of [...there, "not asked for"]) writeFileSync(join(dir, name), "");
    const found: string[] = [];
    for await (const page of pool().list("/several", { only: ["nowhere", ...there] }))
      found.push(...page.map(({ name }) => name));
    expect(found.sort()).toEqual(there.sort());
  });

  it("lists below a configured root, and tells what is not there", async () => {
    mkdirSync(join(samba.path(), "top", "Übung 1"), { recursive: true });
    writeFileSync(join(samba.path(), "top", "Übung 1", "x.txt"), "12345");
    const smb = pool({ root: "/top" });
    expect(await names(smb, "/")).toEqual(["Übung 1"]);
    expect(await smb.stat("/Übung 1/x.txt")).toMatchObject({ type: "file", size: 5 });
    const wrong = {
      "/missing": NtStatus.OBJECT_NAME_NOT_FOUND,
      "/missing/below": NtStatus.OBJECT_PATH_NOT_FOUND,
    };
    for (const [path, status] of Object.entries(wrong)) {
      await expect(smb.openDirectory(path)).rejects.toMatchObject({ code: "SMB_STATUS", status });
      await expect(names(smb, path)).rejects.toMatchObject({ code: "SMB_STATUS", status });
      await expect(smb.stat(path)).rejects.toMatchObject({ code: "SMB_STATUS", status });
    }
    await expect(smb.openDirectory("/Übung 1/x.txt")).rejects.toMatchObject({
      status: NtStatus.NOT_A_DIRECTORY,
    });
  });

  it("leaves no handle behind when a listing is abandoned half-way", async () => {
    const dir = join(samba.path(), "half");
    mkdirSync(dir);
    for (let index = 0; index < 3_000; index++)
      writeFileSync(join(dir, `a longer name for entry ${index}`), "");
    const smb = pool();
    for await (const page of smb.list("/half")) {
      expect(page.length).toBeGreaterThan(0);
      break;
    }
    // A handle without FILE_SHARE_DELETE left open, or any handle, would keep the name in use.
    await samba.smbclient("deltree half");
    await expect(smb.stat("/half")).rejects.toMatchObject({ status: NtStatus.OBJECT_NAME_NOT_FOUND });
  });

  it("tells a lost buffer", async () => {
    mkdirSync(join(samba.path(), "busy"));
    const smb = pool();
    const handle = await smb.openDirectory("/busy");
    const first = handle.arm(ARM);
    await first.accepted;
    const seen = new Set<string>();
    let pending = first;
    // While none of our requests is parked the server collects. How much of a burst has reached it when we ask
    // again is its own affair: several bursts, each with more time to be read than the one before.
    for (let round = 0; round < 12 && !seen.has("overflow"); round++) {
      writeFileSync(join(samba.path(), "busy", `first-${round}`), "");
      seen.add((await waitFor(pending.outcome, SOON)).type);
      for (let i = 0; i < 2_000; i++) writeFileSync(join(samba.path(), "busy", `f${round}-${i}`), "");
      await delay(100 * round);
      pending = handle.arm(ARM);
    }
    if (!seen.has("overflow")) seen.add((await waitFor(pending.outcome, SOON)).type);
    expect(seen).toContain("overflow");
  });

  it("tells that the watched directory was deleted by another client", async () => {
    mkdirSync(join(samba.path(), "doomed"));
    const smb = pool();
    const handle = await smb.openDirectory("/doomed");
    const notify = handle.arm(ARM);
    await notify.accepted;
    await samba.smbclient("rmdir doomed");
    expect(await waitFor(notify.outcome, SOON)).toMatchObject({
      type: "failed",
      error: { status: NtStatus.DELETE_PENDING },
    });
    await handle.close();
    await expect(smb.stat("/doomed")).rejects.toMatchObject({ status: NtStatus.OBJECT_NAME_NOT_FOUND });
  });

  it("tells that a server does not notify", async () => {
    const deaf = await startSamba({ global: { "change notify": "no" } });
    try {
      const smb = pool({ port: deaf.port });
      const handle = await smb.openDirectory("/");
      const notify = handle.arm(ARM);
      expect(await waitFor(notify.accepted, SOON)).toBe(false);
      expect(await notify.outcome).toMatchObject({
        type: "failed",
        error: { status: NtStatus.NOT_IMPLEMENTED },
      });
      await smb.close();
    } finally {
      await deaf.stop();
    }
  });

  it("refuses to be a guest, and an unknown share", async () => {
    const stranger = pool({ auth: createNtlmProvider({ username: "stranger", password: "x" }) });
    await expect(stranger.stat("/")).rejects.toMatchObject({
      cause: { code: "SMB_SECURITY", violation: "guest" },
    });
    await expect(pool({ share: "nowhere" }).stat("/")).rejects.toMatchObject({
      cause: { code: "SMB_STATUS", status: NtStatus.BAD_NETWORK_NAME },
    });
  });

  it("refuses a wrong password once", async () => {
    const smb = pool({ auth: createNtlmProvider({ username: samba.user, password: "wrong" }) });
    await expect(waitFor(smb.ready(), SOON)).rejects.toMatchObject({
      code: "SMB_CREDENTIALS",
      status: NtStatus.LOGON_FAILURE,
    });
    expect(smb.info().state).toBe("refused");
    smb.replaceAuth(createNtlmProvider({ username: samba.user, password: samba.password }));
    await waitFor(smb.ready(), SOON);
  });

  it("notices a server that falls silent, and comes back to it", async () => {
    const smb = pool({ timeouts: { echoMs: 200, deadMs: 1_000, connectMs: 1_000, requestMs: 1_000 } });
    const handle = await smb.openDirectory("/");
    const notify = handle.arm(ARM);
    await notify.accepted;
    const started = performance.now();
    samba.pause();
    try {
      expect(await waitFor(notify.outcome, SOON)).toMatchObject({
        type: "failed",
        error: { code: "SMB_TIMEOUT" },
      });
      expect(performance.now() - started).toBeLessThan(5_000);
    } finally {
      samba.resume();
    }
    await waitFor(smb.ready(), SOON);
    expect((await smb.stat("/")).type).toBe("directory");
  });

  it("comes back after the server was killed and started again", async () => {
    const smb = pool();
    const handle = await smb.openDirectory("/");
    const notify = handle.arm(ARM);
    await notify.accepted;
    await samba.kill();
    expect(await waitFor(notify.outcome, { ...SOON, what: "the loss" })).toMatchObject({
      type: "failed",
      error: { code: "SMB_CONNECTION" },
    });
    await expect(smb.stat("/")).rejects.toMatchObject({ retryable: true });
    await samba.start();
    await waitFor(smb.ready(), { ...SOON, what: "the reconnect" });
    const again = await smb.openDirectory("/");
    const rearmed = again.arm(ARM);
    expect(await waitFor(rearmed.accepted, { ...SOON, what: "the arming" })).toBe(true);
    // Samba answers STATUS_PENDING before its notifyd has set the inotify watch up: just after a start, on a
    // loaded machine, a change made in that moment is told to nobody. So make changes until one is.
    let told = false;
    void rearmed.outcome.then(() => {
      told = true;
    });
    await until("a change to be told", () => {
      if (!told) writeFileSync(join(samba.path(), `after the restart ${performance.now()}`), "");
      return told;
    });
    expect(await rearmed.outcome).toMatchObject({ type: "records" });
  });
});
