import { execFileSync, spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Samba, startSamba } from "../../../scripts/lab/samba.ts";
import { SmbClient } from "../../../src/share/smb-client.ts";
import { readies } from "../../../src/watch/facts.ts";
import { seeded } from "../../support/random.ts";
import { until } from "../../support/until.ts";

const QUIET_MS = 600;
const WRITER = join(import.meta.dirname, "../../support/clients/marsaud-writer.mjs");

let samba: Samba;
beforeAll(async () => {
  // The other client can do no better than NTLMv1.
  samba = await startSamba({ global: { "ntlm auth": "ntlmv1-permitted" } });
  mkdirSync(join(samba.path(), "in"));
});
afterAll(() => samba?.stop());

interface Told {
  readonly name: string;
  readonly size: number;
  readonly closed: boolean;
  readonly at: number;
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** smbclient sends what comes out of a pipe, its handle open until the pipe ends. Resolves when it has closed. */
async function pour(
  name: string,
  pieces: readonly { readonly bytes: number; readonly pauseMs: number }[],
): Promise<number> {
  const pipe = join(samba.dir, `pipe-${name}`);
  execFileSync("mkfifo", [pipe]);
  const sent = samba.smbclient(`put ${pipe} in\\${name}`);
  // Opened for both, so that nobody waits for the other end.
  const end = openSync(pipe, "r+");
  const reader = openSync(pipe, "w");
  let size = 0;
  for (const { bytes, pauseMs } of pieces) {
    size += writeSync(reader, Buffer.alloc(bytes, 1));
    await pause(pauseMs);
  }
  closeSync(reader);
  closeSync(end);
  await sent;
  return size;
}

/** Runs the calls of another SMB client. */
function marsaud(steps: readonly (readonly unknown[])[]): Promise<void> {
  const child = spawn(process.execPath, ["--openssl-legacy-provider", WRITER], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  let said = "";
  child.stdout.on("data", (chunk: Buffer) => {
    said += chunk.toString();
  });
  child.stdin.end(
    JSON.stringify({
      ...{ port: samba.port, domain: samba.domain, username: samba.user, password: samba.password },
      ...{ share: "share", steps },
    }),
  );
  return new Promise((resolve, reject) =>
    child.once("close", (code) => (code === 0 ? resolve() : reject(new Error(said)))),
  );
}

describe("ready files on a real Samba", () => {
  it("are told once each, and never while their writer has them open", async () => {
    await using client = await SmbClient.connect({
      ...{ server: samba.host, port: samba.port, share: "share" },
      ...{ username: samba.user, domain: samba.domain, password: samba.password },
    });
    const asked: Record<string, number> = {};
    const off = readies.subscribe(({ outcome }) => {
      if (outcome !== undefined) asked[outcome] = (asked[outcome] ?? 0) + 1;
    });
    const told: Told[] = [];
    const stream = client.watch("/in", { ready: { quietMs: QUIET_MS, emptyAfterMs: 60_000, only: true } });
    let live = false;
    const reading = (async () => {
      for await (const event of stream) {
        live ||= event.type === "live";
        if (event.type !== "changes") continue;
        for (const { action, name, size = -1, closed = false } of event.changes) {
          expect(action).toBe("ready");
          told.push({ name, size, closed, at: performance.now() });
        }
      }
    })();
    await until("the watch is live", () => live);

    const random = seeded(7);
    /** When its writer had closed it, and how large it was by then. */
    const closed = new Map<string, { readonly at: number; readonly size: number }>();
    const note = (name: string, size: number, at = performance.now()): void => {
      closed.set(name, { at, size });
    };
    const poured = Array.from({ length: 6 }, async (_, number) => {
      const name = `poured${number}`;
      await pause(random() * 500);
      const pieces = Array.from({ length: 3 }, () => ({
        bytes: 1 + Math.floor(random() * 50_000),
        // Longer and shorter than the quiet time.
        pauseMs: random() < 0.5 ? 1_500 : 100,
      }));
      const begun = performance.now();
      const size = await pour(name, pieces);
      // It is closed some time before smbclient ends; the last pause was before that.
      note(name, size, begun + pieces.reduce((sum, { pauseMs }) => sum + pauseMs, 0) - 50);
    });
    const local = join(samba.dir, "local");
    writeFileSync(local, Buffer.alloc(12_345, 2));
    const renamed = (async () => {
      await samba.smbclient(`put ${local} in\\big.bin.part`);
      await pause(2 * QUIET_MS);
      const at = performance.now();
      await samba.smbclient("rename in\\big.bin.part in\\big.bin");
      note("big.bin", 12_345, at);
    })();
    const scanned = (async () => {
      await marsaud([["writeFile", "in\\scan.pdf", ""]]);
      await pause(2 * QUIET_MS);
      const at = performance.now();
      await samba.smbclient(`put ${local} in\\scan.pdf`);
      note("scan.pdf", 12_345, at);
    })();
    const others = (async () => {
      const names = Array.from({ length: 8 }, (_, number) => `other${number}`);
      await marsaud(names.map((name) => ["writeFile", `in\\${name}`, `from ${name}`]));
      for (const name of names) note(name, `from ${name}`.length, 0);
    })();
    const removed = (async () => {
      await samba.smbclient(`put ${local} in\\removed; rm in\\removed`);
    })();
    await Promise.all([...poured, renamed, scanned, others, removed]);

    await until("all are told", () => told.length >= closed.size);
    // Whatever came twice, or too early and then again, would come now.
    await pause(3 * QUIET_MS);
    await stream.return();
    await reading;
    off();
    expect(told.map(({ name }) => name).sort()).toEqual([...closed.keys()].sort());
    for (const { name, size, closed: sure, at } of told) {
      expect({ name, size, sure }).toEqual({ name, size: closed.get(name)?.size, sure: true });
      expect(at).toBeGreaterThan(closed.get(name)?.at ?? Number.POSITIVE_INFINITY);
    }
    expect(asked["open"] ?? 0).toBeGreaterThan(0);
    expect(asked["failed"] ?? 0).toBe(0);
  }, 60_000);
});
