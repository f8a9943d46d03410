import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Credentials, resolveCredentials } from "../../../src/cli/credentials.ts";
import { type FakeTerminal, fakeTerminal } from "./terminal.ts";

let folder: string;
let file: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "smb2nats-credentials-"));
  file = join(folder, "password");
  writeFileSync(file, "hunter2\n", { mode: 0o600 });
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

const none: Record<string, string> = {};
function resolve(terminal: FakeTerminal, options: Record<string, string> = none): Promise<Credentials> {
  return resolveCredentials({ text: (name) => options[name] }, terminal.context, "//nas/x");
}

/** Types once the prompt stands. */
async function type(terminal: FakeTerminal, ...chunks: (string | Buffer)[]): Promise<void> {
  while (terminal.stdin.listenerCount("data") === 0) await new Promise((done) => setImmediate(done));
  for (const chunk of chunks) terminal.stdin.emit("data", Buffer.from(chunk));
}

describe("credentials", () => {
  it("need a name: nobody is let in anonymously", async () => {
    await expect(resolve(fakeTerminal())).rejects.toMatchObject({ code: "USAGE", message: /--username/ });
  });

  it("take options over the environment and the password from its file", async () => {
    const terminal = fakeTerminal({
      SMB2NATS_USERNAME: "env",
      SMB2NATS_DOMAIN: "ENV",
      SMB2NATS_PASSWORD_FILE: file,
    });
    const found = await resolve(terminal, { username: "ann" });
    expect(found).toMatchObject({ username: "ann", domain: "ENV" });
    expect(found.password.reveal()).toBe("hunter2");
  });

  it("understand DOMAIN\\name, and leave name@realm alone", async () => {
    const env = { SMB2NATS_PASSWORD_FILE: file };
    expect(await resolve(fakeTerminal(env), { username: "CORP\\ann" })).toMatchObject({
      username: "ann",
      domain: "CORP",
    });
    expect(await resolve(fakeTerminal(env), { username: "ann@corp" })).toMatchObject({
      username: "ann@corp",
    });
  });

  it("without file and terminal are a usage error that says how", async () => {
    await expect(resolve(fakeTerminal(), { username: "ann" })).rejects.toThrow(/SMB2NATS_PASSWORD_FILE/);
  });

  it("are asked for on a terminal, unseen, with corrections, split anywhere", async () => {
    const terminal = fakeTerminal({}, { tty: true });
    const found = resolve(terminal, { username: "ann" });
    const umlaut = Buffer.from("ü");
    await type(
      terminal,
      "wrong\u0015hx",
      "\u007funter",
      umlaut.subarray(0, 1),
      umlaut.subarray(1),
      "2\rrest",
    );
    expect((await found).password.reveal()).toBe("hunterü2");
    expect(terminal.stderr.text).toBe("Password of ann at //nas/x: \n");
    expect(terminal.stdin.raw).toEqual([true, false]);
    expect(terminal.stdin.listenerCount("data")).toBe(0);
  });

  it.each(["\u0003", "\u0004"])("%j leaves the terminal as it was", async (key) => {
    const terminal = fakeTerminal({}, { tty: true });
    const found = resolve(terminal, { username: "ann" });
    await Promise.all([
      expect(found).rejects.toMatchObject({ code: "INTERRUPTED" }),
      type(terminal, "x", key),
    ]);
    expect(terminal.stdin.raw).toEqual([true, false]);
  });
});
