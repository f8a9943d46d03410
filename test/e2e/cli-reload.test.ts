import { copyFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type Role, type Stack, startStack } from "../../scripts/lab/stack.ts";

const soon = { timeout: 30_000, interval: 100 };

let stack: Stack;
let password: string;

beforeAll(async () => {
  stack = await startStack({ gateways: 0, workers: 0 });
  password = join(stack.dir, "password");
});
afterAll(() => stack?.close());

async function metric(role: Role, name: string): Promise<string | undefined> {
  const text = await (await fetch(`${role.ops}/metrics`)).text();
  return text.split("\n").find((line) => line.startsWith(`${name} `));
}

/** As secrets are rotated: the new file takes the old one's place. */
function rotate(text: string): void {
  writeFileSync(`${password}.new`, text, { mode: 0o600 });
  renameSync(`${password}.new`, password);
}

const LIVE = 'smb2nats_watches{connection="lab",state="live",mode="notify"}';

describe("a running worker follows its configuration", () => {
  it("takes a corrected password, a new pin, and leaves a broken file alone", async () => {
    const { samba } = stack;
    rotate("wrong\n");
    const lab = (pins: readonly string[]): Record<string, unknown> => ({
      connections: {
        lab: {
          server: "127.0.0.1",
          port: samba.port,
          share: "share",
          username: samba.user,
          domain: samba.domain,
          passwordFile: password,
        },
      },
      watches: pins.map((path) => ({ connection: "lab", path })),
    });
    await samba.smbclient("mkdir one; mkdir two");
    stack.writeConfig(lab(["/one"]));
    const worker = await stack.startRole("worker");
    try {
      await vi.waitFor(() => expect(worker.process.log()).toContain('"smb.given-up"'), soon);
      expect(await metric(worker, 'smb2nats_smb_dials_total{connection="lab",outcome="failed"}')).toMatch(
        / 1$/,
      );

      copyFileSync(samba.passwordFile, `${password}.new`);
      renameSync(`${password}.new`, password);
      await vi.waitFor(async () => expect(await metric(worker, LIVE)).toBe(`${LIVE} 1`), soon);

      stack.writeConfig(lab(["/one", "/two"]));
      await vi.waitFor(async () => expect(await metric(worker, LIVE)).toBe(`${LIVE} 2`), soon);

      writeFileSync(stack.configFile, "connections: { lab: { servr: x } }\n");
      await vi.waitFor(() => expect(worker.process.log()).toContain('"config.rejected"'), soon);
      expect(await metric(worker, LIVE)).toBe(`${LIVE} 2`);
      expect(await metric(worker, 'smb2nats_config_reloads_total{outcome="rejected"}')).toMatch(/ 1$/);

      stack.writeConfig(lab(["/two"]));
      await vi.waitFor(async () => expect(await metric(worker, LIVE)).toBe(`${LIVE} 1`), soon);
      expect(worker.process.log()).not.toContain("wrong\\n");
      expect(worker.process.log()).not.toContain(samba.password);
    } finally {
      await worker.stop();
    }
  });
});
