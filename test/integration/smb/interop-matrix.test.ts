import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  combinationName,
  combinations,
  type InteropResult,
  interopCell,
  readColumn,
  runCombination,
} from "../../../scripts/lab/interop.ts";
import { type Samba, startSamba } from "../../../scripts/lab/samba.ts";
import { createNtlmProvider } from "../../../src/auth/ntlm.ts";
import { SmbPool } from "../../../src/smb/pool/pool.ts";

describe("every protection on every dialect", () => {
  let samba: Samba;

  beforeAll(async () => {
    samba = await startSamba({
      shares: { share: {}, sealed: { "smb encrypt": "required" } },
    });
  });

  afterAll(() => samba.stop());

  const results = new Map<string, InteropResult>();
  for (const combination of combinations()) {
    it(combinationName(combination), async () => {
      results.set(combinationName(combination), await runCombination(samba, combination));
    });
  }

  it("docs/interop.md says what happened", () => {
    const { version } = samba;
    const column = combinations().map((combination) => interopCell(combination, { version, results }));
    const doc = readFileSync(join(import.meta.dirname, "../../../docs/interop.md"), "utf8");
    const table = /<!-- table: begin -->\n(.*?)<!-- table: end -->/s.exec(doc)?.[1] ?? "";
    expect(results.size).toBe(combinations().length);
    // A release that was never written down must do all that the others do.
    expect(column).toEqual(readColumn(table, version) ?? column.map(() => "all"));
    expect(readColumn(table, "4.17.0")).toHaveLength(combinations().length);
  });

  it("encrypts by itself where the share demands it", async () => {
    writeFileSync(join(samba.path("sealed"), "secret.txt"), "x");
    for (const dialect of [0x0300, 0x0302, 0x0311] as const) {
      const pool = new SmbPool({
        host: samba.host,
        port: samba.port,
        share: "sealed",
        auth: createNtlmProvider({ username: samba.user, password: samba.password }),
        dialects: [dialect],
        encryption: "auto",
      });
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
