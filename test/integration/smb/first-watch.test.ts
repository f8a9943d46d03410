import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Samba, startSamba } from "../../../scripts/lab/samba.ts";
import { createNtlmProvider } from "../../../src/auth/ntlm.ts";
import { waitFor } from "../../../src/base/async.ts";
import { SmbPool } from "../../../src/smb/pool/pool.ts";

const FILTER = 0x1f;

describe("one watch on a default Samba", () => {
  let samba: Samba;
  let pool: SmbPool;

  beforeAll(async () => {
    samba = await startSamba();
    pool = new SmbPool({
      host: samba.host,
      port: samba.port,
      share: "share",
      auth: createNtlmProvider({ username: samba.user, password: samba.password }),
    });
  });

  afterAll(async () => {
    await pool.close();
    await samba.stop();
  });

  it("logs in, signed, on 3.1.1", async () => {
    await pool.ready();
    const { server, state } = pool.info();
    expect(state).toBe("connected");
    expect(server).toMatchObject({
      dialect: 0x0311,
      kind: "samba",
      version: "6.1.0",
      signing: { active: true, algorithm: "aes-gmac" },
      encryption: { active: false },
    });
  });

  it("opens, arms, hears of a change, and closes", async () => {
    mkdirSync(join(samba.path(), "dir"), { recursive: true });
    await using handle = {
      inner: await pool.openDirectory("/dir"),
      [Symbol.asyncDispose]() {
        return this.inner.close();
      },
    };
    expect(handle.inner.info).toMatchObject({ type: "directory" });
    expect(handle.inner.info.fileId).toBeTypeOf("bigint");
    const notify = handle.inner.arm({ recursive: false, filter: FILTER });
    expect(await waitFor(notify.accepted, { deadlineMs: 5_000 })).toBe(true);
    // Samba accepts before it hears of what is done on the server itself: on a busy machine it misses the first.
    let made = 0;
    const making = setInterval(() => writeFileSync(join(samba.path(), "dir", `née-${made++}.txt`), "x"), 200);
    const outcome = await waitFor(notify.outcome, { deadlineMs: 10_000 }).finally(() =>
      clearInterval(making),
    );
    expect(outcome).toMatchObject({ type: "records" });
    expect(outcome.type === "records" && outcome.records[0]).toEqual({
      action: 1,
      name: expect.stringMatching(/^née-\d+\.txt$/),
    });
  });

  it("cancels an armed notify", async () => {
    const handle = await pool.openDirectory("/dir");
    const first = handle.arm({ recursive: true, filter: FILTER });
    const second = handle.arm({ recursive: true, filter: FILTER });
    await first.accepted;
    expect(await second.accepted).toBe(true);
    second.cancel();
    expect(await waitFor(second.outcome, { deadlineMs: 3_000 })).toEqual({ type: "cancelled" });
    await handle.close();
    expect(await waitFor(first.outcome, { deadlineMs: 3_000 })).toEqual({ type: "cancelled" });
  });
});
