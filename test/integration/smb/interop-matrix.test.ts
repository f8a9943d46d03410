import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Samba, startSamba } from "../../../scripts/lab/samba.ts";
import { createNtlmProvider } from "../../../src/auth/ntlm.ts";
import { waitFor } from "../../../src/base/async.ts";
import type { CipherId } from "../../../src/crypto/sealing.ts";
import type { SigningAlgorithm } from "../../../src/crypto/signing.ts";
import { DIALECTS, type Dialect, dialectName } from "../../../src/smb/options.ts";
import { SmbPool } from "../../../src/smb/pool.ts";

interface Combination {
  readonly dialect: Dialect;
  readonly signing: SigningAlgorithm;
  readonly cipher: CipherId | undefined;
}

const CIPHERS: readonly CipherId[] = ["aes-128-ccm", "aes-128-gcm", "aes-256-ccm", "aes-256-gcm"];
const ALGORITHMS: readonly SigningAlgorithm[] = ["hmac-sha256", "aes-cmac", "aes-gmac"];

function combinations(): Combination[] {
  return DIALECTS.flatMap((dialect): Combination[] => {
    if (dialect < 0x0300) return [{ dialect, signing: "hmac-sha256", cipher: undefined }];
    if (dialect < 0x0311) {
      return [undefined, "aes-128-ccm" as const].map((cipher) => ({ dialect, signing: "aes-cmac", cipher }));
    }
    return ALGORITHMS.flatMap((signing) =>
      [undefined, ...CIPHERS].map((cipher) => ({ dialect, signing, cipher })),
    );
  });
}

describe("every protection on every dialect", () => {
  let samba: Samba;

  beforeAll(async () => {
    samba = await startSamba({
      shares: { share: {}, sealed: { "smb encrypt": "required" } },
    });
  });

  afterAll(() => samba.stop());

  function open(share: string, { dialect, signing, cipher }: Combination, encryption?: "auto"): SmbPool {
    return new SmbPool({
      host: samba.host,
      port: samba.port,
      share,
      auth: createNtlmProvider({ username: samba.user, password: samba.password }),
      dialects: [dialect],
      signingAlgorithms: [signing],
      ciphers: cipher === undefined ? CIPHERS : [cipher],
      encryption: encryption ?? (cipher === undefined ? "off" : "required"),
    });
  }

  for (const combination of combinations()) {
    const { dialect, signing, cipher } = combination;
    it(`SMB ${dialectName(dialect)}, ${signing}, ${cipher ?? "plain"}`, async () => {
      const dir = join(samba.path(), `matrix-${dialect}-${signing}-${cipher}`);
      mkdirSync(dir);
      const path = `/${dir.split("/").at(-1)}`;
      const pool = open("share", combination);
      try {
        const handle = await pool.openDirectory(path);
        expect(pool.info().server).toMatchObject({
          dialect,
          signing: { active: true, algorithm: signing },
          encryption: { active: cipher !== undefined, cipher },
        });
        const first = handle.arm({ recursive: true, filter: 0x1f });
        const second = handle.arm({ recursive: true, filter: 0x1f });
        expect(await waitFor(first.accepted, { deadlineMs: 5_000 })).toBe(true);
        expect(await waitFor(second.accepted, { deadlineMs: 5_000 })).toBe(true);

        second.cancel();
        expect(await waitFor(second.outcome, { deadlineMs: 5_000 })).toEqual({ type: "cancelled" });

        await samba.smbclient(`mkdir ${path.slice(1)}/made`);
        const outcome = await waitFor(first.outcome, { deadlineMs: 5_000 });
        expect(outcome).toMatchObject({ type: "records", records: [{ action: 1, name: "made" }] });

        const names: string[] = [];
        for await (const page of pool.list(path)) names.push(...page.map((entry) => entry.name));
        expect(names).toEqual(["made"]);
        const info = await pool.stat(path);
        expect(info.fileId).toBe(handle.info.fileId);
        await handle.close();
      } finally {
        await pool.close();
        rmSync(dir, { recursive: true });
      }
    });
  }

  it("encrypts by itself where the share demands it", async () => {
    writeFileSync(join(samba.path("sealed"), "secret.txt"), "x");
    for (const dialect of [0x0300, 0x0302, 0x0311] as const) {
      const pool = open("sealed", { dialect, signing: "aes-cmac", cipher: undefined }, "auto");
      try {
        await pool.ready();
        expect(pool.info().server?.encryption.active).toBe(true);
        const names: string[] = [];
        for await (const page of pool.list("/")) names.push(...page.map((entry) => entry.name));
        expect(names).toEqual(["secret.txt"]);
      } finally {
        await pool.close();
      }
    }
  });

  it("does not offer less than configured", async () => {
    const pool = new SmbPool({
      host: samba.host,
      port: samba.port,
      share: "share",
      auth: createNtlmProvider({ username: samba.user, password: samba.password }),
      dialects: [0x0202, 0x0210],
      encryption: "required",
    });
    try {
      await expect(pool.stat("/")).rejects.toMatchObject({
        code: "SMB_NOT_SENT",
        cause: { code: "SMB_SECURITY", violation: "policy" },
      });
    } finally {
      await pool.close();
    }
  });
});
