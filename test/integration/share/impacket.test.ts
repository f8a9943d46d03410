import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hasImpacket, type Impacket, startImpacket } from "../../../scripts/lab/impacket.ts";
import { createNtlmProvider } from "../../../src/auth/ntlm.ts";
import { SmbClient, type SmbClientOptions } from "../../../src/share/smb-client.ts";
import type { StreamEvent } from "../../../src/share/watch-stream.ts";
import { SmbPool } from "../../../src/smb/pool/pool.ts";

const absent = hasImpacket() ? "" : " (skipped: python3-impacket is not installed)";

describe.skipIf(absent !== "")(`a server that cannot notify: Impacket${absent}`, () => {
  let server: Impacket;

  beforeAll(async () => {
    server = await startImpacket();
  });
  afterAll(() => server?.stop());

  const options = (extra: Partial<SmbClientOptions> = {}): SmbClientOptions => ({
    server: server.host,
    port: server.port,
    share: "SHARE",
    username: server.user,
    password: server.password,
    ...extra,
  });

  it("logs in, signed, lists and looks, and is told so when it asks for notifications", async () => {
    mkdirSync(join(server.path, "engine"));
    writeFileSync(join(server.path, "engine", "a.txt"), "five!");
    const pool = new SmbPool({
      host: server.host,
      port: server.port,
      share: "SHARE",
      auth: createNtlmProvider({ username: server.user, password: server.password }),
    });
    try {
      const handle = await pool.openDirectory("/engine");
      expect(pool.info().server).toMatchObject({
        dialect: 0x0202,
        signing: { active: true, algorithm: "hmac-sha256" },
        kind: "unknown",
      });
      const notify = handle.arm({ recursive: false, filter: 0x1f });
      expect(await notify.accepted).toBe(false);
      expect(await notify.outcome).toMatchObject({
        type: "failed",
        error: { code: "SMB_STATUS", statusName: "STATUS_NOT_SUPPORTED", command: "CHANGE_NOTIFY" },
      });
      await handle.close();
      const listed = [];
      for await (const page of pool.list("/engine")) listed.push(...page);
      expect(listed).toMatchObject([{ name: "a.txt", type: "file", size: 5 }]);
      expect(await pool.stat("/engine/a.txt")).toMatchObject({ type: "file", size: 5 });
    } finally {
      await pool.close();
    }
  });

  it("is polled: live, in mode poll, and every change is told by comparing listings", async () => {
    const dir = join(server.path, "polled");
    mkdirSync(dir);
    writeFileSync(join(dir, "before.txt"), "x");
    await using client = await SmbClient.connect(options({ watch: { pollSeconds: 0.2 } }));
    const events: StreamEvent[] = [];
    await using stream = client.watch("/polled", { signal: AbortSignal.timeout(30_000) });
    for await (const event of stream) {
      events.push(event);
      if (event.type === "live") writeFileSync(join(dir, "after.txt"), "x");
      if (event.type === "changes") break;
    }
    expect(events[0]).toMatchObject({ type: "live", path: "/polled", late: { contents: 1 } });
    expect(events.at(-1)).toMatchObject({
      type: "changes",
      via: "poll",
      changes: [{ action: "added", name: "after.txt" }],
    });
  });

  it("refuses a wrong password after one try", async () => {
    const wrong = SmbClient.connect(options({ password: "Wrong-Horse-8" }));
    await expect(wrong).rejects.toMatchObject({ code: "SOURCE_CREDENTIALS" });
    expect(server.log().match(/Could not authenticate user/g)).toHaveLength(1);
  });
});
