import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, it } from "vitest";
import { type Samba, startSamba } from "../../../scripts/lab/samba.ts";
import { SmbClient } from "../../../src/share/smb-client.ts";
import { until } from "../../support/until.ts";

// Samba 4.25 tells the old name once more as removed: `SMB2NATS_LAB_SAMBA=sid` shows it.
describe("a name that is renamed away and comes back, as editors do that keep a backup", () => {
  let samba: Samba;
  beforeAll(async () => {
    samba = await startSamba();
  });
  afterAll(() => samba?.stop());

  it("stays what it is to consumers", async () => {
    const dir = samba.path();
    const { host: server, port, user: username, domain, password } = samba;
    writeFileSync(join(dir, "doc"), "1");
    mkdirSync(join(dir, "folder"));
    await using client = await SmbClient.connect({
      server,
      port,
      share: "share",
      username,
      domain,
      password,
    });
    const stream = client.watch("/", { recursive: true });
    const names = new Set(["doc", "folder"]);
    let live = false;
    const reading = (async () => {
      for await (const event of stream) {
        live ||= event.type === "live";
        if (event.type !== "changes" || event.path !== "/") continue;
        for (const { action, name, oldName } of event.changes) {
          if (action === "removed") names.delete(name);
          else if (action === "renamed") names.delete(oldName ?? "");
          if (action === "added" || action === "renamed") names.add(name);
        }
      }
    })();
    await until("live", () => live);
    // The first rename of a share is how such a server is known.
    writeFileSync(join(dir, "first"), "");
    renameSync(join(dir, "first"), join(dir, "renamed"));
    await until("the rename", () => names.has("renamed"));
    await new Promise((resolve) => setTimeout(resolve, 300));
    for (let round = 0; round < 3; round++) {
      renameSync(join(dir, "doc"), join(dir, `doc~${round}`));
      writeFileSync(join(dir, "doc"), "2");
      renameSync(join(dir, "folder"), join(dir, `folder~${round}`));
      mkdirSync(join(dir, "folder"));
      // What is told late is told within 100 ms, and the next thing comes behind it.
      await new Promise((resolve) => setTimeout(resolve, 300));
      const marker = `marker-${round}`;
      writeFileSync(join(dir, marker), "");
      await until("the last word", () => names.has(marker));
      await until("what is there", () => names.has("doc") && names.has("folder"));
    }
    const listed: string[] = [];
    for await (const { name } of client.list("/")) listed.push(name);
    await until("the same as a listing", () => [...names].sort().join() === listed.sort().join());
    await stream.return();
    await reading;
  });
});
