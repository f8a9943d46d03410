import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type Samba, startSamba } from "../../../scripts/lab/samba.ts";
import { createNtlmProvider } from "../../../src/auth/ntlm.ts";
import { SmbClient, type SmbClientOptions } from "../../../src/share/smb-client.ts";
import type { StreamEvent, WatchStream } from "../../../src/share/watch-stream.ts";

let samba: Samba;

beforeAll(async () => {
  samba = await startSamba({
    // The other client of these tests can do no better than NTLMv1.
    global: { "ntlm auth": "ntlmv1-permitted", "log level": "1 auth_audit:2" },
    shares: { share: {}, sealed: { "smb encrypt": "required" } },
  });
});
afterAll(() => samba?.stop());

function options(extra: Partial<SmbClientOptions> = {}): SmbClientOptions {
  return {
    server: samba.host,
    port: samba.port,
    share: "share",
    username: samba.user,
    domain: samba.domain,
    password: samba.password,
    ...extra,
  };
}

/** Reads until `enough`, or fails when the stream ends or 20 s pass. */
async function read(
  stream: WatchStream,
  enough: (events: readonly StreamEvent[]) => boolean,
): Promise<StreamEvent[]> {
  const events: StreamEvent[] = [];
  const timer = setTimeout(() => void stream.return(), 20_000);
  while (!enough(events)) {
    const { value, done } = await stream.next();
    if (done === true) throw new Error(`the stream ended after ${JSON.stringify(events)}`);
    events.push(value);
  }
  clearTimeout(timer);
  return events;
}

function names(events: readonly StreamEvent[]): string[] {
  return events.flatMap((event) =>
    event.type === "changes" ? event.changes.map((change) => `${change.action} ${change.name}`) : [],
  );
}

describe("SmbClient", () => {
  it("watches, lists and looks, signed, and says goodbye", async () => {
    mkdirSync(join(samba.path(), "basic"), { recursive: true });
    await using client = await SmbClient.connect(options());
    expect(client.server).toMatchObject({ dialect: 0x0311, kind: "samba", signing: { active: true } });
    const stream = client.watch("/basic");
    const late = { names: 120, contents: 600 };
    expect((await stream.next()).value).toEqual({ type: "live", path: "/basic", late });
    await samba.smbclient("mkdir basic/one; mkdir basic/two; rename basic/one basic/uno");
    // On a busy machine Samba may be deaf that long; then the second look tells what is there by then.
    const told = (seen: readonly StreamEvent[], name: string): boolean =>
      names(seen).some((what) => what === `added ${name}` || what === `renamed ${name}`);
    const events = await read(stream, (seen) => told(seen, "uno") && told(seen, "two"));
    const first = events.find(({ type }) => type === "changes");
    if (first?.type === "changes" && first.via === "notify")
      expect(names(events)).toEqual(expect.arrayContaining(["added one", "added two", "renamed uno"]));
    const listed: string[] = [];
    for await (const entry of client.list("/basic")) listed.push(entry.name);
    expect(listed.sort()).toEqual(["two", "uno"]);
    expect(await client.stat("/basic/two")).toMatchObject({ name: "two", type: "directory" });
    await expect(client.stat("/basic/three")).rejects.toMatchObject({ code: "SOURCE_GONE" });
    await stream.return();
    expect((await stream.next()).done).toBe(true);
  });

  it("reports what a client that no one here wrote does (@marsaud/smb2)", async () => {
    await using client = await SmbClient.connect(options());
    mkdirSync(join(samba.path(), "theirs"));
    await using stream = client.watch("/theirs");
    await stream.next();
    const outcome = await marsaud([
      ["mkdir", "theirs\\d"],
      ["writeFile", "theirs\\a.txt", "hello", { flag: "w" }],
      ["rename", "theirs\\a.txt", "theirs\\b.txt"],
      ["unlink", "theirs\\b.txt"],
    ]);
    expect(outcome).toEqual({ done: ["mkdir", "writeFile", "rename", "unlink"] });
    const events = await read(stream, (seen) => names(seen).includes("removed b.txt"));
    const told = names(events);
    const order = ["added d", "added a.txt", "renamed b.txt", "removed b.txt"].map((name) =>
      told.indexOf(name),
    );
    expect(order).not.toContain(-1);
    expect(order).toEqual([...order].sort((a, b) => a - b));
  });

  it("keeps a mirror of a tree that never lists, and ends it by its signal", async () => {
    mkdirSync(join(samba.path(), "mirrored/sub"), { recursive: true });
    writeFileSync(join(samba.path(), "mirrored/sub/old"), "four");
    await using client = await SmbClient.connect({ ...options(), watch: { cover: "directory" } });
    const stop = new AbortController();
    const mirror = client.mirror("/mirrored", { recursive: true, signal: stop.signal });
    const heard: string[] = [];
    mirror.on("change", ({ type }) => heard.push(type));
    await mirror.ready;
    expect(mirror.get("sub/old")).toMatchObject({ type: "file", size: 4, modified: expect.any(String) });
    const view = mirror.getSnapshot();
    expect([view.ready, view.state, view.entries.map(({ name }) => name)]).toEqual([true, "live", ["sub"]]);
    await samba.smbclient("cd mirrored; rename sub dir; mkdir sub; mkdir sub/new");
    const paths = (): string =>
      [...mirror.walk()]
        .map(([path]) => path)
        .sort()
        .join(" ");
    await vi.waitFor(
      () => expect(paths()).toBe("/mirrored/dir /mirrored/dir/old /mirrored/sub /mirrored/sub/new"),
      { timeout: 20_000, interval: 20 },
    );
    expect(mirror.getSnapshot()).not.toBe(view);
    expect(mirror.snapshots).toEqual({ first: 1 });
    expect(heard).toEqual(expect.arrayContaining(["snapshot", "changes"]));
    const late = client.mirror("/mirrored/nowhere");
    await expect(late.ready).rejects.toMatchObject({ code: "SOURCE_GONE" });
    const large = client.mirror("/mirrored", { signal: stop.signal });
    await large.ready;
    stop.abort();
    await expect(client.mirror("/mirrored", { signal: stop.signal }).ready).rejects.toMatchObject({
      code: "ABORTED",
    });
  });

  it("refuses a wrong password after one try, by a typed error that does not hold it", async () => {
    const before = refusedLogins();
    const failed = SmbClient.connect(options({ password: "Wrong-Horse-8" }));
    const error = await failed.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toMatchObject({ code: "SOURCE_CREDENTIALS", retryable: false });
    expect(String((error as Error).message)).toContain("LOGON_FAILURE");
    expect(JSON.stringify(error) + String((error as Error).stack)).not.toContain("Wrong-Horse-8");
    expect(refusedLogins() - before).toBe(1);
  });

  it("watches a share that demands encryption, and refuses it where encryption is off", async () => {
    await using client = await SmbClient.connect(options({ share: "sealed" }));
    expect(client.server?.encryption.active).toBe(true);
    await using stream = client.watch("/");
    await stream.next();
    await samba.smbclient("mkdir inside", "sealed").catch(() => undefined);
    writeFileSync(join(samba.path("sealed"), "local.txt"), "x");
    await read(stream, (seen) => names(seen).includes("added local.txt"));
    await expect(
      SmbClient.connect(options({ share: "sealed", smb: { encryption: "off" } })),
    ).rejects.toMatchObject({ code: "SOURCE_POLICY" });
  }, 90_000);

  it("ends a watch by its signal, with the reason", async () => {
    await using client = await SmbClient.connect(options());
    const controller = new AbortController();
    const stream = client.watch("/", { signal: controller.signal });
    await stream.next();
    const next = stream.next();
    controller.abort("enough");
    await expect(next).rejects.toMatchObject({ code: "ABORTED", cause: "enough" });
    expect((await stream.next()).done).toBe(true);
  });

  it("says why a watch cannot begin", async () => {
    writeFileSync(join(samba.path(), "file.txt"), "x");
    await using client = await SmbClient.connect(options());
    await expect(client.watch("/missing").next()).rejects.toMatchObject({ code: "SOURCE_GONE" });
    await expect(client.watch("/file.txt").next()).rejects.toMatchObject({ code: "SOURCE_NOT_A_DIRECTORY" });
    expect(() => client.watch("/../etc")).toThrow("bad path");
  });

  it("does not wait for a share that the server does not have", async () => {
    await expect(SmbClient.connect(options({ share: "nowhere" }))).rejects.toMatchObject({
      code: "SOURCE_GONE",
      message: expect.stringContaining("no such share"),
    });
  });

  it("stops waiting for an absent server when told to", async () => {
    const connecting = SmbClient.connect(options({ port: 1 }), { signal: AbortSignal.timeout(300) });
    await expect(connecting).rejects.toMatchObject({ code: "ABORTED" });
  });

  it("takes any AuthProvider", async () => {
    const auth = createNtlmProvider({
      username: samba.user,
      domain: samba.domain,
      password: () => samba.password,
    });
    await using client = await SmbClient.connect(options({ auth, username: "nobody" }));
    expect((await client.stat("/")).type).toBe("directory");
  });
});

/** As Samba counts them in its own log. */
function refusedLogins(): number {
  return [...samba.log().matchAll(/^ *Auth: .*NT_STATUS_WRONG_PASSWORD/gm)].length;
}

async function marsaud(steps: unknown[][]): Promise<unknown> {
  const script = join(import.meta.dirname, "../../support/clients/marsaud-writer.mjs");
  const child = spawn(process.execPath, ["--openssl-legacy-provider", script], {
    stdio: ["pipe", "pipe", "inherit"],
    timeout: 30_000,
  });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString();
  });
  const { port, domain, user: username, password } = samba;
  child.stdin.end(JSON.stringify({ port, domain, username, password, share: "share", steps }));
  await new Promise((resolve) => child.once("close", resolve));
  return JSON.parse(output.trim().split("\n").at(-1) ?? "null");
}
