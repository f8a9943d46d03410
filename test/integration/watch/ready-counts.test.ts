import { appendFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Samba, startSamba } from "../../../scripts/lab/samba.ts";
import { createNtlmProvider } from "../../../src/auth/ntlm.ts";
import { Command } from "../../../src/codec/header.ts";
import { encodeCloseRequest } from "../../../src/codec/msg/close.ts";
import { decodeCreateResponse, encodeCreateRequest } from "../../../src/codec/msg/create.ts";
import { SmbDirectorySource } from "../../../src/share/source.ts";
import { requestFacts } from "../../../src/smb/facts.ts";
import { dialTree } from "../../../src/smb/pool/dial.ts";
import { SmbPool } from "../../../src/smb/pool/pool.ts";
import { dialOptions } from "../../../src/smb/pool/pool-options.ts";
import { ShareWatcher } from "../../../src/watch/share-watcher.ts";
import { until } from "../../support/until.ts";

/** Few enough that the budget of the share, 200 a second, is not what keeps them apart: `npm run bench` has a thousand. */
const FILES = 100;
/** Files are asked about so often while they are open, at least: after the quiet time, after 1 s and after 2 s. */
const LOOKS = 3;
const WRITER = {
  ...{ desiredAccess: 0x10_0083, fileAttributes: 0, shareAccess: 7 },
  ...{ createDisposition: 1, createOptions: 0 },
};

let samba: Samba;
beforeAll(async () => {
  samba = await startSamba();
  mkdirSync(join(samba.path(), "in"));
});
afterAll(() => samba?.stop());

it("files that are written at once cost at most one question each and second, and are told once they are closed", async () => {
  const { host, port, user: username, password, domain } = samba;
  const login = { host, port, share: "share", auth: createNtlmProvider({ username, password, domain }) };
  const asked = new Map<string, number[]>();
  class Counting extends SmbDirectorySource {
    override probe(
      ...args: Parameters<SmbDirectorySource["probe"]>
    ): ReturnType<SmbDirectorySource["probe"]> {
      asked.set(args[0], [...(asked.get(args[0]) ?? []), performance.now()]);
      return super.probe(...args);
    }
  }
  const pool = new SmbPool({ label: "counted", ...login });
  const watcher = new ShareWatcher(new Counting(pool), { cover: "directory", ready: { quietMs: 500 } });
  const other = await dialTree(dialOptions(login));
  const requests = new Map<string, number>();
  const off = requestFacts.subscribe(({ connection, command }) => {
    if (connection === "counted") requests.set(command, (requests.get(command) ?? 0) + 1);
  });
  try {
    const told: { readonly name: string; readonly closed?: boolean }[] = [];
    const handle = watcher.watch({ path: "/in", recursive: false }, (event) => {
      if (event.type !== "changes") return;
      told.push(...event.changes.filter(({ action }) => action === "ready"));
    });
    await handle.live;
    const names = Array.from({ length: FILES }, (_, index) => `f${index}`);
    const open: Uint8Array[] = [];
    for (const name of names) {
      // What it writes is seen by nobody but the server: its handle is what counts.
      writeFileSync(join(samba.path(), "in", name), "");
      const body = encodeCreateRequest({ ...WRITER, name: `in\\${name}` });
      const [answer] = await other.exchange([{ command: Command.CREATE, body }]);
      if (answer === undefined) throw new Error("no answer");
      open.push(decodeCreateResponse(answer.message).fileId);
      appendFileSync(join(samba.path(), "in", name), name);
    }
    requests.clear();
    const looked = (): boolean =>
      asked.size === FILES && [...asked.values()].every(({ length }) => length >= LOOKS);
    await until("all have been asked about again and again", looked, { timeoutMs: 60_000 });
    expect(told).toEqual([]);
    const questions = [...asked.values()].reduce((sum, { length }) => sum + length, 0);
    // A look, then the question; nothing else is opened for them.
    expect(requests.get("CREATE") ?? 0).toBeLessThan(2.2 * questions);
    for (const fileId of open)
      await other.exchange([{ command: Command.CLOSE, body: encodeCloseRequest({ fileId }) }]);
    await until("all are told", () => told.length >= FILES, { timeoutMs: 60_000 });
    expect(told.map(({ name }) => name).sort()).toEqual([...names].sort());
    expect(told.every(({ closed }) => closed)).toBe(true);
    for (const [path, times] of asked)
      for (const [index, at] of times.entries())
        expect(at - (times[index - 1] ?? Number.NEGATIVE_INFINITY), path).toBeGreaterThanOrEqual(1_000);
  } finally {
    off();
    await other.close();
    await watcher.close();
    await pool.close();
  }
}, 150_000);

it("more files than can be waited for are told all the same, once each", async () => {
  const { host, port, user: username, password, domain } = samba;
  const auth = createNtlmProvider({ username, password, domain });
  const pool = new SmbPool({ host, port, share: "share", auth });
  const watcher = new ShareWatcher(new SmbDirectorySource(pool), {
    ...{ cover: "directory", maxReady: 20, ready: { quietMs: 300 } },
  });
  mkdirSync(join(samba.path(), "many", "below"), { recursive: true });
  try {
    const told: string[] = [];
    let deferred = 0;
    const handle = watcher.watch({ path: "/many", recursive: true }, (event) => {
      deferred = Math.max(deferred, handle?.ready?.deferred ?? 0);
      if (event.type !== "changes") return;
      for (const { action, name } of event.changes)
        if (action === "ready") told.push(`${event.path}/${name}`);
    });
    await handle.live;
    const paths = Array.from(
      { length: 150 },
      (_, index) => `/many${index % 3 === 0 ? "/below" : ""}/f${index}`,
    );
    for (const path of paths) writeFileSync(join(samba.path(), path), "new");
    await until("all are told", () => paths.every((path) => told.includes(path)), { timeoutMs: 60_000 });
    expect(deferred).toBeGreaterThan(0);
    await until("nothing is deferred any more", () => handle.state === "live");
    expect(told.sort()).toEqual([...paths].sort());
  } finally {
    await watcher.close();
    await pool.close();
  }
}, 90_000);
