import { mkdirSync, readdirSync, renameSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Samba, startSamba } from "../../../scripts/lab/samba.ts";
import { createNtlmProvider } from "../../../src/auth/ntlm.ts";
import type { SmbClientOptions } from "../../../src/share/smb-client.ts";
import { SmbClient } from "../../../src/share/smb-client.ts";
import { SmbDirectorySource } from "../../../src/share/source.ts";
import type { WatchStream } from "../../../src/share/watch-stream.ts";
import { SmbPool } from "../../../src/smb/pool/index.ts";
import { until } from "../../support/until.ts";

describe("names, as people and servers have them", () => {
  let samba: Samba;

  beforeAll(async () => {
    samba = await startSamba();
  });
  afterAll(() => samba?.stop());

  const connect = (extra: Partial<SmbClientOptions> = {}): Promise<SmbClient> =>
    SmbClient.connect({
      server: samba.host,
      port: samba.port,
      share: "share",
      username: samba.user,
      password: samba.password,
      ...extra,
    });

  /** Collects `action name` until the stream is closed. */
  function collect(stream: WatchStream): { readonly told: Set<string>; readonly done: Promise<void> } {
    const told = new Set<string>();
    const done = (async () => {
      for await (const event of stream) {
        if (event.type !== "changes") continue;
        for (const { action, name } of event.changes) told.add(`${action} ${event.path} ${name}`);
      }
    })();
    return { told, done };
  }

  async function names(client: SmbClient, path: string): Promise<string[]> {
    const all: string[] = [];
    for await (const entry of client.list(path)) all.push(entry.name);
    return all.sort();
  }

  it("lists a name that was asked for by another case as it is", async () => {
    mkdirSync(join(samba.path(), "case"));
    for (const name of ["DOC.BAK", "other"]) writeFileSync(join(samba.path(), "case", name), "");
    const { host, port, user: username, password, domain } = samba;
    const auth = createNtlmProvider({ username, password, domain });
    await using pool = new SmbPool({ host, port, share: "share", auth });
    await pool.ready();
    const found: string[] = [];
    const pages = new SmbDirectorySource(pool).list("/case", { only: ["doc.bak", "nothing"] });
    for await (const page of pages) found.push(...page.map(({ name }) => name));
    // Who does not hear of it takes the old name for a hidden one, since it opens: two minutes of a ghost.
    expect(found).toEqual(["DOC.BAK"]);
  });

  it("tells private-use stand-ins by the characters they stand for, made by an SMB client or on the server", async () => {
    const dir = join(samba.path(), "mac");
    mkdirSync(join(dir, "12\uf02230", "sub"), { recursive: true });
    // What is made on the server itself is told at once only so.
    await using client = await connect({ watch: { cover: "directory" } });
    await using stream = client.watch("/mac", { recursive: true });
    expect((await stream.next()).value).toMatchObject({ type: "live" });
    const { told, done } = collect(stream);
    expect(await names(client, "/mac")).toEqual(["12:30"]);
    expect(await names(client, "/mac/12:30")).toEqual(["sub"]);
    // By the name of the server too: nothing that worked without the mapping stops working.
    expect(await client.stat("/mac/12\uf02230/sub")).toMatchObject({ type: "directory" });

    await samba.smbclient('mkdir "mac/what\uf025"; mkdir "mac/12\uf02230/end\uf029"');
    mkdirSync(join(dir, "\uf020local\uf020"));
    await until("all three", () =>
      ["added /mac what?", "added /mac/12:30 end.", 'added /mac "local"'].every((line) => told.has(line)),
    );
    expect(await client.stat("/mac/12:30/end.")).toMatchObject({ name: "end.", type: "directory" });
    renameSync(join(dir, "what\uf025"), join(dir, "that\uf027"));
    rmdirSync(join(dir, "12\uf02230", "end\uf029"));
    await until("rename and removal", () =>
      ["renamed /mac that|", "removed /mac/12:30 end."].every((line) => told.has(line)),
    );
    expect([...told].join()).not.toMatch(/[\uf020-\uf029]/);
    await stream.return();
    await done;

    await using deep = client.watch("/mac/12:30");
    expect((await deep.next()).value).toMatchObject({ type: "live", path: "/mac/12:30" });
    await expect(client.watch("/mac/no:where").next()).rejects.toMatchObject({ code: "SOURCE_GONE" });
  });

  it("tells names exactly as the server has them when asked to", async () => {
    mkdirSync(join(samba.path(), "raw", "a\uf022b"), { recursive: true });
    await using client = await connect({ mapReserved: false });
    expect(await names(client, "/raw")).toEqual(["a\uf022b"]);
    await expect(client.stat("/raw/a:b")).rejects.toMatchObject({ code: "SOURCE_BAD_PATH" });
  });

  it("keeps composed and decomposed forms apart", async () => {
    const dir = join(samba.path(), "forms");
    mkdirSync(dir);
    await using client = await connect();
    await using stream = client.watch("/forms");
    await stream.next();
    const { told } = collect(stream);
    writeFileSync(join(dir, "\u00fcber"), "1");
    writeFileSync(join(dir, "u\u0308ber"), "22");
    await until("both", () => told.has("added /forms \u00fcber") && told.has("added /forms u\u0308ber"));
    expect(await names(client, "/forms")).toEqual(["u\u0308ber", "\u00fcber"]);
    expect((await client.stat("/forms/\u00fcber")).size).toBe(1);
    expect((await client.stat("/forms/u\u0308ber")).size).toBe(2);
  });

  it("resolves what Samba tells by one name and lists by another (8.3 stand-ins) to the name that opens", async () => {
    const dir = join(samba.path(), "mangled");
    mkdirSync(dir);
    await using client = await connect();
    await using stream = client.watch("/mangled");
    await stream.next();
    const { told } = collect(stream);
    // Legal on Linux, not over SMB: the notification says "a:b.txt", the listing something like "ALNI5R~G.TXT".
    writeFileSync(join(dir, "a:b.txt"), "x");
    const [listed = ""] = await until("a listing", async () => {
      const all = await names(client, "/mangled");
      return all.length === 1 ? all : undefined;
    });
    expect(listed).toMatch(/~/);
    await until("the name that opens", () => told.has(`added /mangled ${listed}`));
    expect(await client.stat(`/mangled/${listed}`)).toMatchObject({ type: "file", size: 1 });
    expect(readdirSync(dir)).toEqual(["a:b.txt"]);
  });
});
